/** One terminal's pictures of one kind: its channels, and where they lead. */
import type { PictureKind, PictureLeg, PictureLimits } from '#kernel'
import type { Address, Call, CallEvent, ChannelAcceptance, ChannelOffer } from '../endpoint/endpoint.ts'
import { presentationMessage } from '../h239/h239.ts'
import { bitRateUnit, contentVideo, h264Video, limitsOfLevel } from './h264.ts'

/** RTP sessions: 2 is video (H.225.0 §6.2.8.1), the others are the master's to assign, which an MCU is. */
const sessionIds = { people: 2, content: 32 } as const
/** Payload types of what goes out. */
const payloadTypes = { people: 97, content: 98 } as const

/** The least at which a picture is of use, bit/s. */
const leastBitRate = 64_000

/** A channel that is not as usual. */
export interface PictureChannel {
  /** Reserved before; none takes the next. */
  readonly number?: number
  /** H.241 table 8-4. */
  readonly level: number
  readonly limits: PictureLimits
}

export interface PictureSide {
  /** Sends pictures to the terminal from now on. */
  readonly open: (channel?: PictureChannel) => void
  readonly stop: () => void
  /** A channel that the terminal wants to open. */
  readonly accept: (offer: ChannelOffer) => ChannelAcceptance
  /** Whether the terminal sends pictures. */
  readonly isSending: () => boolean
  readonly take: (event: CallEvent) => void
  readonly close: () => void
}

export function createPictureSide(call: Call, leg: PictureLeg, kind: PictureKind, level: number): PictureSide {
  /** Of ours. */
  let number: number | null = null
  let out: { readonly rtp: Address; readonly rtcp: Address | null } | null = null
  let comes: { readonly number: number; readonly rtcp: Address | null; readonly payloadType: number } | null = null
  let limits: PictureLimits | null = null
  /** What the terminal has restricted our channel to, bit/s. @see H.245 §B.15.4 (FlowControl) */
  let mostBitRate = Number.POSITIVE_INFINITY
  let hasAskedForRate = false
  const own = { rtp: { ip: leg.rtp.address, port: leg.rtp.port }, rtcp: { ip: leg.rtcp.address, port: leg.rtcp.port } }

  leg.onKeyFrameWanted(() => {
    if (comes === null) return
    const command = { logicalChannelNumber: comes.number, type: { type: 'videoFastUpdatePicture' } } as const
    call.sendH245({ type: 'command', value: { type: 'miscellaneousCommand', value: command } })
  })

  /** Where the terminal was last; what ends is told too. */
  let last: Address | null = null

  function agree(): void {
    // a terminal that takes no pictures sends from beside where it takes RTCP
    const beside = comes?.rtcp == null ? null : { ip: comes.rtcp.ip, port: comes.rtcp.port - 1 }
    last = out?.rtp ?? beside ?? last
    if (last === null) return
    const control = out?.rtcp ?? comes?.rtcp ?? { ip: last.ip, port: last.port + 1 }
    leg.agree({
      rtp: { address: last.ip, port: last.port },
      rtcp: { address: control.ip, port: control.port },
      sends: out === null ? null : payloadTypes[kind],
      receives: comes?.payloadType ?? null,
      takes: limits === null ? null : { ...limits, bitsPerSecond: Math.min(limits.bitsPerSecond, mostBitRate) }
    })
  }

  /** The terminal restricts what it is sent; less than is of use it is asked to give more (H.239 §9.5), once. */
  function restrict(channel: number, bitRate: number): void {
    mostBitRate = bitRate
    agree()
    const scope = { type: 'logicalChannelNumber', value: channel } as const
    const restriction =
      bitRate === Number.POSITIVE_INFINITY
        ? ({ type: 'noRestriction' } as const)
        : ({ type: 'maximumBitRate', value: Math.floor(bitRate / bitRateUnit) } as const)
    call.sendH245({ type: 'indication', value: { type: 'flowControlIndication', value: { scope, restriction } } })
    if (kind !== 'content' || bitRate >= leastBitRate || hasAskedForRate) return
    hasAskedForRate = true
    const asked = { channelId: channel, bitRate: leastBitRate / bitRateUnit }
    call.sendH245(presentationMessage({ type: 'flowControlReleaseRequest', ...asked }))
  }

  return {
    isSending: () => comes !== null,
    open: (channel) => {
      if (number !== null) return
      limits = channel?.limits ?? limitsOfLevel(level)
      mostBitRate = Number.POSITIVE_INFINITY
      hasAskedForRate = false
      const value = kind === 'people' ? h264Video(level) : contentVideo(channel?.level ?? level)
      number = call.openChannel({
        ...(channel?.number === undefined ? {} : { number: channel.number }),
        sessionId: sessionIds[kind],
        dataType: { type: 'videoData', value },
        rtcp: own.rtcp,
        dynamicPayloadType: payloadTypes[kind]
      })
    },
    stop: () => {
      if (number === null) return
      call.closeChannel(number)
      number = null
      out = null
      agree()
    },
    accept: ({ number: theirs, rtcp, dynamicPayloadType }) => {
      comes = { number: theirs, rtcp, payloadType: dynamicPayloadType ?? payloadTypes[kind] }
      agree()
      return { ...own, sessionId: sessionIds[kind] }
    },
    take: (event) => {
      if (event.type === 'channelOpened' && event.own && event.number === number && event.rtp !== null) {
        out = { rtp: event.rtp, rtcp: event.rtcp }
        agree()
      } else if (event.type === 'channelClosed') {
        if (event.own && event.number === number) {
          number = null
          out = null
        } else if (!event.own && event.number === comes?.number) comes = null
        else return
        agree()
      } else if (event.type === 'h245' && event.message.type === 'command') {
        const { value } = event.message
        if (value.type === 'miscellaneousCommand') {
          const { logicalChannelNumber, type } = value.value
          if (logicalChannelNumber === number && type.type.startsWith('videoFastUpdate')) leg.refresh()
        } else if (value.type === 'flowControlCommand') {
          const { scope, restriction } = value.value
          if (scope.type !== 'logicalChannelNumber' || scope.value !== number) return
          restrict(number, restriction.type === 'noRestriction' ? Number.POSITIVE_INFINITY : restriction.value * bitRateUnit)
        }
      }
    },
    close: leg.close
  }
}
