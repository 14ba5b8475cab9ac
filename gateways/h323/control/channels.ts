/** Logical channels of sound as messages: proposals and answers of fast connect, and OLC with its ack. */
import { isIPv4 } from 'node:net'
import type { H2250LogicalChannelParameters, OpenLogicalChannel, OpenLogicalChannelAck, TransportAddress } from '../h245/h245.ts'
import { audioCapabilityOf, codecOf } from './codecs.ts'
import type { Address, AudioCodec, LocalMedia } from './media.ts'

/** H.323 §8.3.1: sessions everybody knows. */
export const sessions = { audio: 1, video: 2, data: 3 } as const

export function transportAddress({ ip, port }: Address): TransportAddress {
  const value = { network: octetsOf(ip), tsapIdentifier: port }
  return { type: 'unicastAddress', value: isIPv4(ip) ? { type: 'iPAddress', value } : { type: 'iP6Address', value } }
}

function octetsOf(ip: string): Uint8Array {
  if (isIPv4(ip)) return Uint8Array.from(ip.split('.'), Number)
  const [front = '', back] = ip.split('::')
  const groupsOf = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const head = groupsOf(front)
  const tail = groupsOf(back ?? '')
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]))
}

/** Null for what no packet can be sent to: other networks, multicast, port 0. */
export function addressOf(address: TransportAddress | undefined): Address | null {
  if (address?.type !== 'unicastAddress') return null
  const unicast = address.value
  if (unicast.type !== 'iPAddress' && unicast.type !== 'iP6Address') return null
  const { network, tsapIdentifier: port } = unicast.value
  if (port === 0 || network.every((octet) => octet === 0)) return null
  if (unicast.type === 'iPAddress') return network[0]! >= 224 ? null : { ip: network.join('.'), port }
  if (network[0] === 0xff) return null
  const groups = Array.from({ length: 8 }, (_, at) => ((network[at * 2]! << 8) | network[at * 2 + 1]!).toString(16))
  return { ip: groups.join(':'), port }
}

/** Parameters of a channel that goes from the other side to this one: where it is received. */
const toHere = ({ rtp, rtcp, opusPayloadType }: LocalMedia, codec: AudioCodec): H2250LogicalChannelParameters => ({
  sessionID: sessions.audio,
  mediaChannel: transportAddress(rtp),
  mediaControlChannel: transportAddress(rtcp),
  mediaGuaranteedDelivery: false,
  silenceSuppression: false,
  ...(codec === 'opus' && opusPayloadType !== null && { dynamicRTPPayloadType: opusPayloadType })
})

/** Parameters of a channel from here: where its receiver reports are taken. qOSCapabilities are left out: ooh323c cannot read them. */
const fromHere = ({ rtcp, opusPayloadType }: LocalMedia, codec: AudioCodec): H2250LogicalChannelParameters => ({
  sessionID: sessions.audio,
  mediaControlChannel: transportAddress(rtcp),
  mediaGuaranteedDelivery: false,
  silenceSuppression: false,
  ...(codec === 'opus' && opusPayloadType !== null && { dynamicRTPPayloadType: opusPayloadType })
})

const h2250 = (value: H2250LogicalChannelParameters) => ({ type: 'h2250LogicalChannelParameters', value }) as const

/** A channel of ours that carries sound. */
export const openAudio = (number: number, codec: AudioCodec, local: LocalMedia): OpenLogicalChannel => ({
  forwardLogicalChannelNumber: number,
  forwardLogicalChannelParameters: {
    dataType: { type: 'audioData', value: audioCapabilityOf(codec) },
    multiplexParameters: h2250(fromHere(local, codec))
  }
})

/** A channel for both ways. */
export const openAudioBothWays = (number: number, codec: AudioCodec, local: LocalMedia): OpenLogicalChannel => ({
  ...openAudio(number, codec, local),
  reverseLogicalChannelParameters: {
    dataType: { type: 'audioData', value: audioCapabilityOf(codec) },
    multiplexParameters: h2250(toHere(local, codec))
  }
})

/** A channel to this side, as fast connect proposes and answers it: in reverse, its forward direction empty. */
const reverseAudio = (number: number, codec: AudioCodec, parameters: H2250LogicalChannelParameters): OpenLogicalChannel => ({
  forwardLogicalChannelNumber: number,
  forwardLogicalChannelParameters: { dataType: { type: 'nullData' }, multiplexParameters: { type: 'none' } },
  reverseLogicalChannelParameters: {
    dataType: { type: 'audioData', value: audioCapabilityOf(codec) },
    multiplexParameters: h2250(parameters)
  }
})

/**
 * What a caller proposes: each codec for each way, the preferred one first.
 *
 * @param firstNumber channels from here are numbered from this on; those to here have number 1, as all peers do it
 * @see H.323 §8.1.7.1
 */
export const proposals = (local: LocalMedia, firstNumber: number): OpenLogicalChannel[] =>
  local.codecs.flatMap((codec, at) => [openAudio(firstNumber + at, codec, local), reverseAudio(1, codec, toHere(local, codec))])

/** A channel of sound in one direction, read from a proposal or an answer, as the side that reads it sees it. */
export interface FastChannel {
  readonly number: number
  readonly codec: AudioCodec
  readonly rtp: Address | null
  readonly rtcp: Address | null
  readonly dynamicPayloadType: number | null
}

/**
 * Proposals or answers as seen by who made none of them.
 *
 * @returns `forward` goes from the caller to the called side, `reverse` the other way; other media are left out
 */
export function readFastStart(items: readonly OpenLogicalChannel[]): { forward: FastChannel[]; reverse: FastChannel[] } {
  const forward: FastChannel[] = []
  const reverse: FastChannel[] = []
  for (const { forwardLogicalChannelNumber: number, ...item } of items) {
    const back = item.reverseLogicalChannelParameters
    const { dataType, multiplexParameters } = back ?? item.forwardLogicalChannelParameters
    if (dataType.type !== 'audioData' || multiplexParameters?.type !== 'h2250LogicalChannelParameters') continue
    const codec = codecOf(dataType.value)
    const { sessionID, mediaChannel, mediaControlChannel, dynamicRTPPayloadType } = multiplexParameters.value
    if (codec === null || (sessionID !== sessions.audio && sessionID !== 0)) continue
    const channel: FastChannel = {
      number,
      codec,
      rtp: addressOf(mediaChannel),
      rtcp: addressOf(mediaControlChannel),
      dynamicPayloadType: dynamicRTPPayloadType ?? null
    }
    if (back === undefined) forward.push(channel)
    else reverse.push(channel)
  }
  return { forward, reverse }
}

/**
 * The called side's choice: the first codec of ours that is proposed both ways, since the plane has one for both.
 *
 * @returns null where none is: fast connect is refused
 */
export function chooseProposals(
  items: readonly OpenLogicalChannel[],
  local: LocalMedia
): { readonly forward: FastChannel; readonly reverse: FastChannel } | null {
  const { forward, reverse } = readFastStart(items)
  for (const codec of local.codecs) {
    const there = forward.find((channel) => channel.codec === codec)
    const back = reverse.find((channel) => channel.codec === codec && channel.rtp !== null)
    if (there !== undefined && back !== undefined) return { forward: there, reverse: back }
  }
  return null
}

/** The answer to the proposals chosen. @param number of the channel from here */
export function fastAnswer(
  { forward, reverse }: { readonly forward: FastChannel; readonly reverse: FastChannel },
  number: number,
  local: LocalMedia
): OpenLogicalChannel[] {
  return [
    {
      forwardLogicalChannelNumber: forward.number,
      forwardLogicalChannelParameters: {
        dataType: { type: 'audioData', value: audioCapabilityOf(forward.codec) },
        multiplexParameters: h2250(toHere(local, forward.codec))
      }
    },
    reverseAudio(number, reverse.codec, fromHere(local, reverse.codec))
  ]
}

/** Accepts a channel of sound, in one direction. */
export const acceptAudio = (number: number, local: LocalMedia, codec: AudioCodec): OpenLogicalChannelAck => ({
  forwardLogicalChannelNumber: number,
  forwardMultiplexAckParameters: {
    type: 'h2250LogicalChannelAckParameters',
    value: {
      sessionID: sessions.audio,
      mediaChannel: transportAddress(local.rtp),
      mediaControlChannel: transportAddress(local.rtcp),
      ...(codec === 'opus' && local.opusPayloadType !== null && { dynamicRTPPayloadType: local.opusPayloadType }),
      flowControlToZero: false
    }
  }
})

/** Accepts one for both ways. @param reverseNumber of the way from here, chosen here */
export const acceptAudioBothWays = (
  number: number,
  reverseNumber: number,
  local: LocalMedia,
  codec: AudioCodec
): OpenLogicalChannelAck => ({
  ...acceptAudio(number, local, codec),
  reverseLogicalChannelParameters: {
    reverseLogicalChannelNumber: reverseNumber,
    multiplexParameters: h2250(fromHere(local, codec))
  }
})
