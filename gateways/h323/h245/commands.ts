/** H.245 v17: commands. */
import {
  boolean,
  choice,
  type Infer,
  integer,
  nothing,
  octetString,
  optional,
  sequence,
  sequenceOf,
  setOf
} from '../asn1/asn1.ts'
import { CapabilityDescriptorNumber } from './capability/exchange.ts'
import { GenericInformation } from './generic.ts'
import { CapabilityTableEntryNumber, LogicalChannelNumber, NonStandardParameter, SequenceNumber } from './identifiers.ts'
import { EncryptionSync, MultiplePayloadStream } from './logical-channel.ts'

export const SendTerminalCapabilitySet = choice(
  {
    specificRequest: sequence(
      {
        multiplexCapability: boolean,
        capabilityTableEntryNumbers: optional(setOf(CapabilityTableEntryNumber, [1, 65_535])),
        capabilityDescriptorNumbers: optional(setOf(CapabilityDescriptorNumber, [1, 256]))
      },
      {}
    ),
    genericRequest: nothing
  },
  {}
)
export type SendTerminalCapabilitySet = Infer<typeof SendTerminalCapabilitySet>

export const EncryptionCommand = choice(
  {
    encryptionSE: octetString(),
    encryptionIVRequest: nothing,
    encryptionAlgorithmID: sequence({
      h233AlgorithmIdentifier: SequenceNumber,
      associatedAlgorithm: NonStandardParameter
    })
  },
  {}
)
export type EncryptionCommand = Infer<typeof EncryptionCommand>

export const FlowControlCommand = sequence(
  {
    scope: choice({
      logicalChannelNumber: LogicalChannelNumber,
      resourceID: integer(0, 65_535),
      wholeMultiplex: nothing
    }),
    restriction: choice({
      maximumBitRate: integer(0, 16_777_215),
      noRestriction: nothing
    })
  },
  {}
)
export type FlowControlCommand = Infer<typeof FlowControlCommand>

export const EndSessionCommand = choice(
  {
    nonStandard: NonStandardParameter,
    disconnect: nothing,
    gstnOptions: choice(
      {
        telephonyMode: nothing,
        v8bis: nothing,
        v34DSVD: nothing,
        v34DuplexFAX: nothing,
        v34H324: nothing
      },
      {}
    )
  },
  {
    isdnOptions: choice(
      {
        telephonyMode: nothing,
        v140: nothing,
        terminalOnHold: nothing
      },
      {}
    ),
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type EndSessionCommand = Infer<typeof EndSessionCommand>

export const EncryptionUpdateDirection = choice(
  {
    masterToSlave: nothing,
    slaveToMaster: nothing
  },
  {}
)
export type EncryptionUpdateDirection = Infer<typeof EncryptionUpdateDirection>

export const KeyProtectionMethod = sequence(
  {
    secureChannel: boolean,
    sharedSecret: boolean,
    certProtectedKey: boolean
  },
  {}
)
export type KeyProtectionMethod = Infer<typeof KeyProtectionMethod>

export const EncryptionUpdateRequest = sequence(
  {
    keyProtectionMethod: optional(KeyProtectionMethod)
  },
  {
    synchFlag: integer(0, 255)
  }
)
export type EncryptionUpdateRequest = Infer<typeof EncryptionUpdateRequest>

export const PictureReference = choice(
  {
    pictureNumber: integer(0, 1023),
    longTermPictureIndex: integer(0, 255)
  },
  {}
)
export type PictureReference = Infer<typeof PictureReference>

export const MiscellaneousCommand = sequence(
  {
    logicalChannelNumber: LogicalChannelNumber,
    type: choice(
      {
        equaliseDelay: nothing,
        zeroDelay: nothing,
        multipointModeCommand: nothing,
        cancelMultipointModeCommand: nothing,
        videoFreezePicture: nothing,
        videoFastUpdatePicture: nothing,
        videoFastUpdateGOB: sequence({
          firstGOB: integer(0, 17),
          numberOfGOBs: integer(1, 18)
        }),
        videoTemporalSpatialTradeOff: integer(0, 31),
        videoSendSyncEveryGOB: nothing,
        videoSendSyncEveryGOBCancel: nothing
      },
      {
        videoFastUpdateMB: sequence(
          {
            firstGOB: optional(integer(0, 255)),
            firstMB: optional(integer(1, 8192)),
            numberOfMBs: integer(1, 8192)
          },
          {}
        ),
        maxH223MUXPDUsize: integer(1, 65_535),
        encryptionUpdate: EncryptionSync,
        encryptionUpdateRequest: EncryptionUpdateRequest,
        switchReceiveMediaOff: nothing,
        switchReceiveMediaOn: nothing,
        progressiveRefinementStart: sequence(
          {
            repeatCount: choice(
              {
                doOneProgression: nothing,
                doContinuousProgressions: nothing,
                doOneIndependentProgression: nothing,
                doContinuousIndependentProgressions: nothing
              },
              {}
            )
          },
          {}
        ),
        progressiveRefinementAbortOne: nothing,
        progressiveRefinementAbortContinuous: nothing,
        videoBadMBs: sequence(
          {
            firstMB: integer(1, 9216),
            numberOfMBs: integer(1, 9216),
            temporalReference: integer(0, 1023)
          },
          {}
        ),
        lostPicture: sequenceOf(PictureReference),
        lostPartialPicture: sequence(
          {
            pictureReference: PictureReference,
            firstMB: integer(1, 9216),
            numberOfMBs: integer(1, 9216)
          },
          {}
        ),
        recoveryReferencePicture: sequenceOf(PictureReference),
        encryptionUpdateCommand: sequence(
          {
            encryptionSync: EncryptionSync,
            multiplePayloadStream: optional(MultiplePayloadStream)
          },
          {}
        ),
        encryptionUpdateAck: sequence(
          {
            synchFlag: integer(0, 255)
          },
          {}
        )
      }
    )
  },
  {
    direction: EncryptionUpdateDirection
  }
)
export type MiscellaneousCommand = Infer<typeof MiscellaneousCommand>

export const H223MultiplexReconfiguration = choice(
  {
    h223ModeChange: choice(
      {
        toLevel0: nothing,
        toLevel1: nothing,
        toLevel2: nothing,
        toLevel2withOptionalHeader: nothing
      },
      {}
    ),
    h223AnnexADoubleFlag: choice(
      {
        start: nothing,
        stop: nothing
      },
      {}
    )
  },
  {}
)
export type H223MultiplexReconfiguration = Infer<typeof H223MultiplexReconfiguration>

export const NewATMVCCommand = sequence(
  {
    resourceID: integer(0, 65_535),
    bitRate: integer(1, 65_535),
    bitRateLockedToPCRClock: boolean,
    bitRateLockedToNetworkClock: boolean,
    aal: choice(
      {
        aal1: sequence(
          {
            clockRecovery: choice(
              {
                nullClockRecovery: nothing,
                srtsClockRecovery: nothing,
                adaptiveClockRecovery: nothing
              },
              {}
            ),
            errorCorrection: choice(
              {
                nullErrorCorrection: nothing,
                longInterleaver: nothing,
                shortInterleaver: nothing,
                errorCorrectionOnly: nothing
              },
              {}
            ),
            structuredDataTransfer: boolean,
            partiallyFilledCells: boolean
          },
          {}
        ),
        aal5: sequence(
          {
            forwardMaximumSDUSize: integer(0, 65_535),
            backwardMaximumSDUSize: integer(0, 65_535)
          },
          {}
        )
      },
      {}
    ),
    multiplex: choice(
      {
        noMultiplex: nothing,
        transportStream: nothing,
        programStream: nothing
      },
      {}
    ),
    reverseParameters: sequence(
      {
        bitRate: integer(1, 65_535),
        bitRateLockedToPCRClock: boolean,
        bitRateLockedToNetworkClock: boolean,
        multiplex: choice(
          {
            noMultiplex: nothing,
            transportStream: nothing,
            programStream: nothing
          },
          {}
        )
      },
      {}
    )
  },
  {}
)
export type NewATMVCCommand = Infer<typeof NewATMVCCommand>

export const MobileMultilinkReconfigurationCommand = sequence(
  {
    sampleSize: integer(1, 255),
    samplesPerFrame: integer(1, 255),
    status: choice(
      {
        synchronized: nothing,
        reconfiguration: nothing
      },
      {}
    )
  },
  {}
)
export type MobileMultilinkReconfigurationCommand = Infer<typeof MobileMultilinkReconfigurationCommand>
