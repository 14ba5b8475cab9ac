/** H.245 v17 §C.3: capability exchange. */
import {
  boolean,
  choice,
  type Infer,
  integer,
  nothing,
  objectIdentifier,
  optional,
  sequence,
  sequenceOf,
  setOf
} from '../../asn1/asn1.ts'
import { GenericInformation } from '../generic.ts'
import { AlternativeCapabilitySet, CapabilityTableEntryNumber, NonStandardParameter, SequenceNumber } from '../identifiers.ts'
import { EncryptionAuthenticationAndIntegrity } from '../security.ts'
import { AudioCapability } from './audio.ts'
import { ConferenceCapability } from './conference.ts'
import { DataApplicationCapability } from './data.ts'
import { GenericCapability } from './generic.ts'
import { MultiplexCapability, RedundancyEncodingCapability } from './multiplex.ts'
import { DepFECCapability, FECCapability, MultiplePayloadStreamCapability, MultiplexedStreamCapability } from './stream.ts'
import { AudioTelephonyEventCapability, AudioToneCapability } from './telephone-event.ts'
import { UserInputCapability } from './user-input.ts'
import { VideoCapability } from './video.ts'

export const H235SecurityCapability = sequence(
  {
    encryptionAuthenticationAndIntegrity: EncryptionAuthenticationAndIntegrity,
    mediaCapability: CapabilityTableEntryNumber
  },
  {}
)
export type H235SecurityCapability = Infer<typeof H235SecurityCapability>

export const Capability = choice(
  {
    nonStandard: NonStandardParameter,
    receiveVideoCapability: VideoCapability,
    transmitVideoCapability: VideoCapability,
    receiveAndTransmitVideoCapability: VideoCapability,
    receiveAudioCapability: AudioCapability,
    transmitAudioCapability: AudioCapability,
    receiveAndTransmitAudioCapability: AudioCapability,
    receiveDataApplicationCapability: DataApplicationCapability,
    transmitDataApplicationCapability: DataApplicationCapability,
    receiveAndTransmitDataApplicationCapability: DataApplicationCapability,
    h233EncryptionTransmitCapability: boolean,
    h233EncryptionReceiveCapability: sequence(
      {
        h233IVResponseTime: integer(0, 255)
      },
      {}
    )
  },
  {
    conferenceCapability: ConferenceCapability,
    h235SecurityCapability: H235SecurityCapability,
    maxPendingReplacementFor: integer(0, 255),
    receiveUserInputCapability: UserInputCapability,
    transmitUserInputCapability: UserInputCapability,
    receiveAndTransmitUserInputCapability: UserInputCapability,
    genericControlCapability: GenericCapability,
    receiveMultiplexedStreamCapability: MultiplexedStreamCapability,
    transmitMultiplexedStreamCapability: MultiplexedStreamCapability,
    receiveAndTransmitMultiplexedStreamCapability: MultiplexedStreamCapability,
    receiveRTPAudioTelephonyEventCapability: AudioTelephonyEventCapability,
    receiveRTPAudioToneCapability: AudioToneCapability,
    depFecCapability: DepFECCapability,
    multiplePayloadStreamCapability: MultiplePayloadStreamCapability,
    fecCapability: FECCapability,
    redundancyEncodingCap: RedundancyEncodingCapability,
    oneOfCapabilities: AlternativeCapabilitySet
  }
)
export type Capability = Infer<typeof Capability>

export const CapabilityTableEntry = sequence({
  capabilityTableEntryNumber: CapabilityTableEntryNumber,
  capability: optional(Capability)
})
export type CapabilityTableEntry = Infer<typeof CapabilityTableEntry>

export const CapabilityDescriptorNumber = integer(0, 255)
export type CapabilityDescriptorNumber = Infer<typeof CapabilityDescriptorNumber>

export const CapabilityDescriptor = sequence({
  capabilityDescriptorNumber: CapabilityDescriptorNumber,
  simultaneousCapabilities: optional(setOf(AlternativeCapabilitySet, [1, 256]))
})
export type CapabilityDescriptor = Infer<typeof CapabilityDescriptor>

export const TerminalCapabilitySet = sequence(
  {
    sequenceNumber: SequenceNumber,
    protocolIdentifier: objectIdentifier,
    multiplexCapability: optional(MultiplexCapability),
    capabilityTable: optional(setOf(CapabilityTableEntry, [1, 256])),
    capabilityDescriptors: optional(setOf(CapabilityDescriptor, [1, 256]))
  },
  {
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type TerminalCapabilitySet = Infer<typeof TerminalCapabilitySet>

export const TerminalCapabilitySetAck = sequence(
  {
    sequenceNumber: SequenceNumber
  },
  {
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type TerminalCapabilitySetAck = Infer<typeof TerminalCapabilitySetAck>

export const TerminalCapabilitySetReject = sequence(
  {
    sequenceNumber: SequenceNumber,
    cause: choice(
      {
        unspecified: nothing,
        undefinedTableEntryUsed: nothing,
        descriptorCapacityExceeded: nothing,
        tableEntryCapacityExceeded: choice({
          highestEntryNumberProcessed: CapabilityTableEntryNumber,
          noneProcessed: nothing
        })
      },
      {}
    )
  },
  {
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type TerminalCapabilitySetReject = Infer<typeof TerminalCapabilitySetReject>

export const TerminalCapabilitySetRelease = sequence(
  {},
  {
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type TerminalCapabilitySetRelease = Infer<typeof TerminalCapabilitySetRelease>
