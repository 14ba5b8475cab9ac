/** The codecs of the media plane by their names in H.245. @see H.245 §B.2.2.8, H.225.0 annex B (packet sizes) */
import type { AudioCapability, AudioMode, GenericCapability } from '../h245/h245.ts'
import type { AudioCodec } from './media.ts'

/** The plane sends one packet each 20 ms: as many frames of 1 ms, or of 10 ms in G.729. */
const packetMs = 20
const frameMs: Readonly<Record<AudioCodec, number>> = { PCMU: 1, PCMA: 1, G722: 1, G729: 10, opus: 20 }
const framesIn = (codec: AudioCodec): number => packetMs / frameMs[codec]

/**
 * No Recommendation has a capability for Opus: it is told by name, which endpoints of this library understand among themselves.
 *
 * @see H.245 §B.2.2.9 (domainBased identifiers)
 */
const opus: GenericCapability = { capabilityIdentifier: { type: 'domainBased', value: 'opus' }, maxBitRate: 640 }
const isOpus = ({ capabilityIdentifier: id }: GenericCapability): boolean => id.type === 'domainBased' && id.value === 'opus'

export function audioCapabilityOf(codec: AudioCodec): AudioCapability {
  switch (codec) {
    case 'PCMU':
      return { type: 'g711Ulaw64k', value: framesIn(codec) }
    case 'PCMA':
      return { type: 'g711Alaw64k', value: framesIn(codec) }
    case 'G722':
      return { type: 'g722-64k', value: framesIn(codec) }
    case 'G729':
      return { type: 'g729AnnexA', value: framesIn(codec) }
    case 'opus':
      return { type: 'genericAudioCapability', value: opus }
  }
}

/** Frames that a peer with this capability takes in a packet, and the codec; null where the plane does not speak it. */
function readCapability(capability: AudioCapability): { readonly codec: AudioCodec; readonly frames: number } | null {
  switch (capability.type) {
    case 'g711Ulaw64k':
      return { codec: 'PCMU', frames: capability.value }
    case 'g711Alaw64k':
      return { codec: 'PCMA', frames: capability.value }
    case 'g722-64k':
      return { codec: 'G722', frames: capability.value }
    // annex A decodes what the main body encodes, and the other way about
    case 'g729':
    case 'g729AnnexA':
    case 'g729wAnnexB':
    case 'g729AnnexAwAnnexB':
      return { codec: 'G729', frames: capability.value }
    case 'genericAudioCapability':
      return isOpus(capability.value) ? { codec: 'opus', frames: framesIn('opus') } : null
    default:
      return null
  }
}

/** Codec of a stream that comes; packets may be shorter than ours. */
export const codecOf = (capability: AudioCapability): AudioCodec | null => readCapability(capability)?.codec ?? null

/** Codec that can be sent to a peer with this capability: it must take packets as long as ours. */
export function codecTaken(capability: AudioCapability): AudioCodec | null {
  const read = readCapability(capability)
  return read !== null && read.frames >= framesIn(read.codec) ? read.codec : null
}

export function audioModeOf(codec: AudioCodec): AudioMode {
  switch (codec) {
    case 'PCMU':
      return { type: 'g711Ulaw64k' }
    case 'PCMA':
      return { type: 'g711Alaw64k' }
    case 'G722':
      return { type: 'g722-64k' }
    case 'G729':
      return { type: 'g729AnnexA' }
    case 'opus':
      return { type: 'genericAudioMode', value: opus }
  }
}

export function codecOfMode(mode: AudioMode): AudioCodec | null {
  switch (mode.type) {
    case 'g711Ulaw64k':
      return 'PCMU'
    case 'g711Alaw64k':
      return 'PCMA'
    case 'g722-64k':
      return 'G722'
    case 'g729':
    case 'g729AnnexA':
    case 'g729wAnnexB':
    case 'g729AnnexAwAnnexB':
      return 'G729'
    case 'genericAudioMode':
      return isOpus(mode.value) ? 'opus' : null
    default:
      return null
  }
}

/** Payload types of RFC 3551 §6; opus has none of its own. */
export const staticPayloadTypes: Readonly<Record<Exclude<AudioCodec, 'opus'>, number>> = { PCMU: 0, PCMA: 8, G722: 9, G729: 18 }

/** Units of 100 bit/s, by which flow control counts. */
export const bitRateOf: Readonly<Record<AudioCodec, number>> = { PCMU: 640, PCMA: 640, G722: 640, G729: 80, opus: 320 }
