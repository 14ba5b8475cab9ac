/** H.245 v17: communication modes of a conference. */
import { bmpString, boolean, choice, type Infer, integer, optional, sequence, sequenceOf, setOf } from '../asn1/asn1.ts'
import { TransportAddress } from './addresses.ts'
import { AudioCapability } from './capability/audio.ts'
import { DataApplicationCapability } from './capability/data.ts'
import { VideoCapability } from './capability/video.ts'
import { NonStandardParameter, TerminalLabel } from './identifiers.ts'
import { RedundancyEncoding } from './logical-channel.ts'

export const CommunicationModeTableEntry = sequence(
  {
    nonStandard: optional(sequenceOf(NonStandardParameter)),
    sessionID: integer(1, 255),
    associatedSessionID: optional(integer(1, 255)),
    terminalLabel: optional(TerminalLabel),
    sessionDescription: bmpString({ size: [1, 128] }),
    dataType: choice(
      {
        videoData: VideoCapability,
        audioData: AudioCapability,
        data: DataApplicationCapability
      },
      {}
    ),
    mediaChannel: optional(TransportAddress),
    mediaGuaranteedDelivery: optional(boolean),
    mediaControlChannel: optional(TransportAddress),
    mediaControlGuaranteedDelivery: optional(boolean)
  },
  {
    redundancyEncoding: RedundancyEncoding,
    sessionDependency: integer(1, 255),
    destination: TerminalLabel
  }
)
export type CommunicationModeTableEntry = Infer<typeof CommunicationModeTableEntry>

export const CommunicationModeCommand = sequence(
  {
    communicationModeTable: setOf(CommunicationModeTableEntry, [1, 256])
  },
  {}
)
export type CommunicationModeCommand = Infer<typeof CommunicationModeCommand>

export const CommunicationModeRequest = sequence({}, {})
export type CommunicationModeRequest = Infer<typeof CommunicationModeRequest>

export const CommunicationModeResponse = choice(
  {
    communicationModeTable: setOf(CommunicationModeTableEntry, [1, 256])
  },
  {}
)
export type CommunicationModeResponse = Infer<typeof CommunicationModeResponse>
