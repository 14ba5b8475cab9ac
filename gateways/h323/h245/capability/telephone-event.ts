/** H.245 v17: telephone events and tones in RTP (RFC 4733). */
import { generalString, type Infer, integer, sequence } from '../../asn1/asn1.ts'

export const AudioTelephonyEventCapability = sequence(
  {
    dynamicRTPPayloadType: integer(96, 127),
    audioTelephoneEvent: generalString
  },
  {}
)
export type AudioTelephonyEventCapability = Infer<typeof AudioTelephonyEventCapability>

export const AudioToneCapability = sequence(
  {
    dynamicRTPPayloadType: integer(96, 127)
  },
  {}
)
export type AudioToneCapability = Infer<typeof AudioToneCapability>

export const NoPTAudioTelephonyEventCapability = sequence(
  {
    audioTelephoneEvent: generalString
  },
  {}
)
export type NoPTAudioTelephonyEventCapability = Infer<typeof NoPTAudioTelephonyEventCapability>

export const NoPTAudioToneCapability = sequence({}, {})
export type NoPTAudioToneCapability = Infer<typeof NoPTAudioToneCapability>
