/** A terminal's screens, for tests: sockets that keep the pictures that come, and what the terminal says of H.239. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { encodeReport } from '../../../../media/rtp/rtcp.ts'
import type { Address, Call } from '../../endpoint/endpoint.ts'
import { controlCapability, type PresentationMessage, presentationMessage, presentationMessageOf } from '../../h239/h239.ts'
import type { Capability, MultimediaSystemControlMessage } from '../../h245/h245.ts'
import { contentVideo, h264Video, kindOf } from '../h264.ts'

export interface Screen {
  readonly rtp: Address
  readonly rtcp: Address
  /** RTP, as it came. */
  readonly packets: Buffer[]
  /** Says that all has come (RFC 3550 §6.4.2). */
  readonly report: (to: Address) => void
}

export async function openScreen(t: Pick<ExecutionContext, 'teardown'>): Promise<Screen> {
  const sockets = [createSocket('udp4'), createSocket('udp4')] as const
  for (const socket of sockets) {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    t.teardown(() => socket.close())
  }
  const [rtp, rtcp] = sockets
  const packets: Buffer[] = []
  rtp.on('message', (packet) => packets.push(packet))
  const at = (socket: typeof rtp): Address => ({ ip: '127.0.0.1', port: socket.address().port })
  return {
    rtp: at(rtp),
    rtcp: at(rtcp),
    packets,
    report: (to) => {
      const last = packets.at(-1)
      if (last === undefined) return
      const came = { ssrc: last.readUInt32BE(8), extendedHighest: last.readUInt16BE(2), fractionLost: 0, cumulativeLost: 0 }
      const block = { ...came, jitter: 0, lastSenderReport: 0, delaySinceLast: 0 }
      const report = encodeReport({ ssrc: 99, cname: 'screen@room', sender: null, block, goodbye: false })
      rtcp.send(report, to.port, to.ip)
    }
  }
}

/** Whole pictures by their last packets. */
export const picturesIn = ({ packets }: Pick<Screen, 'packets'>): number =>
  packets.filter((packet) => packet[1]! >> 7 === 1).length

/** What a terminal says that takes people and content of a level (H.241 table 8-4); 0 for none. */
export function screenCapabilities(people: number, content: number): Capability[] {
  const receives = (value: ReturnType<typeof h264Video>): Capability => ({ type: 'receiveVideoCapability', value })
  return [
    ...(people === 0 ? [] : [receives(h264Video(people))]),
    ...(content === 0 ? [] : [receives(contentVideo(content)), controlCapability])
  ]
}

const said = (message: MultimediaSystemControlMessage): PresentationMessage | undefined =>
  message.type === 'unknownExtension' || !message.value.type.startsWith('generic')
    ? undefined
    : presentationMessageOf((message.value as { value: Parameters<typeof presentationMessageOf>[0] }).value)

export interface Watching {
  /** H.239 messages that came, and channels of content, in order. */
  readonly heard: string[]
  readonly say: (message: PresentationMessage) => void
  /** Restricts the channel of content. @param bitRate units of 100 bit/s; null for no longer */
  readonly restrict: (bitRate: number | null) => void
  /** Says that all of the content has come. */
  readonly report: () => void
}

/**
 * Gives a call screens.
 *
 * @param answers to who asks for the token: null for nothing
 */
export function watch(
  call: Call,
  { people, content }: { readonly people?: Screen; readonly content?: Screen },
  answers: boolean | null
): Watching {
  const heard: string[] = []
  let channel: { readonly number: number; readonly rtcp: Address } | null = null
  const say = (message: PresentationMessage): void => call.sendH245(presentationMessage(message))
  call.onEvent((event) => {
    if (event.type === 'channelClosed' && event.number === channel?.number && !event.own) heard.push('closed')
    const message = event.type === 'h245' ? said(event.message) : undefined
    if (message === undefined) return
    heard.push(`${message.type}${'accepted' in message ? ` ${message.accepted}` : ''}`)
    if (message.type === 'presentationTokenRequest' && answers !== null)
      say({ type: 'presentationTokenResponse', terminalLabel: 0, channelId: message.channelId, accepted: answers })
  })
  call.onChannel(({ dataType, number, rtcp, sessionId }) => {
    const kind = dataType.type === 'videoData' ? kindOf(dataType.value) : null
    const screen = kind === 'people' ? people : kind === 'content' ? content : undefined
    if (screen === undefined) return null
    if (kind === 'content') {
      channel = { number, rtcp: rtcp! }
      heard.push(`channel ${sessionId}`)
    }
    return { rtp: screen.rtp, rtcp: screen.rtcp }
  })
  return {
    heard,
    say,
    restrict: (bitRate) => {
      const scope = { type: 'logicalChannelNumber', value: channel!.number } as const
      const restriction =
        bitRate === null ? ({ type: 'noRestriction' } as const) : ({ type: 'maximumBitRate', value: bitRate } as const)
      call.sendH245({ type: 'command', value: { type: 'flowControlCommand', value: { scope, restriction } } })
    },
    report: () => content?.report(channel!.rtcp)
  }
}
