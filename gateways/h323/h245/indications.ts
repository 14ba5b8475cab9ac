/** H.245 v17: indications. */
import { boolean, choice, type Infer, integer, nothing, octetString, optional, sequence } from '../asn1/asn1.ts'
import { TransportAddress } from './addresses.ts'
import { TransportCapability } from './capability/multiplex.ts'
import { LogicalChannelNumber, NonStandardIdentifier } from './identifiers.ts'

export const FunctionNotSupported = sequence(
  {
    cause: choice(
      {
        syntaxError: nothing,
        semanticError: nothing,
        unknownFunction: nothing
      },
      {}
    ),
    returnedFunction: optional(octetString())
  },
  {}
)
export type FunctionNotSupported = Infer<typeof FunctionNotSupported>

export const MiscellaneousIndication = sequence(
  {
    logicalChannelNumber: LogicalChannelNumber,
    type: choice(
      {
        logicalChannelActive: nothing,
        logicalChannelInactive: nothing,
        multipointConference: nothing,
        cancelMultipointConference: nothing,
        multipointZeroComm: nothing,
        cancelMultipointZeroComm: nothing,
        multipointSecondaryStatus: nothing,
        cancelMultipointSecondaryStatus: nothing,
        videoIndicateReadyToActivate: nothing,
        videoTemporalSpatialTradeOff: integer(0, 31)
      },
      {
        videoNotDecodedMBs: sequence(
          {
            firstMB: integer(1, 8192),
            numberOfMBs: integer(1, 8192),
            temporalReference: integer(0, 255)
          },
          {}
        ),
        transportCapability: TransportCapability
      }
    )
  },
  {}
)
export type MiscellaneousIndication = Infer<typeof MiscellaneousIndication>

export const JitterIndication = sequence(
  {
    scope: choice({
      logicalChannelNumber: LogicalChannelNumber,
      resourceID: integer(0, 65_535),
      wholeMultiplex: nothing
    }),
    estimatedReceivedJitterMantissa: integer(0, 3),
    estimatedReceivedJitterExponent: integer(0, 7),
    skippedFrameCount: optional(integer(0, 15)),
    additionalDecoderBuffer: optional(integer(0, 262_143))
  },
  {}
)
export type JitterIndication = Infer<typeof JitterIndication>

export const H223SkewIndication = sequence(
  {
    logicalChannelNumber1: LogicalChannelNumber,
    logicalChannelNumber2: LogicalChannelNumber,
    skew: integer(0, 4095)
  },
  {}
)
export type H223SkewIndication = Infer<typeof H223SkewIndication>

export const H2250MaximumSkewIndication = sequence(
  {
    logicalChannelNumber1: LogicalChannelNumber,
    logicalChannelNumber2: LogicalChannelNumber,
    maximumSkew: integer(0, 4095)
  },
  {}
)
export type H2250MaximumSkewIndication = Infer<typeof H2250MaximumSkewIndication>

export const MCLocationIndication = sequence(
  {
    signalAddress: TransportAddress
  },
  {}
)
export type MCLocationIndication = Infer<typeof MCLocationIndication>

export const VendorIdentification = sequence(
  {
    vendor: NonStandardIdentifier,
    productNumber: optional(octetString([1, 256])),
    versionNumber: optional(octetString([1, 256]))
  },
  {}
)
export type VendorIdentification = Infer<typeof VendorIdentification>

export const NewATMVCIndication = sequence(
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
    )
  },
  {
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
  }
)
export type NewATMVCIndication = Infer<typeof NewATMVCIndication>

export const FlowControlIndication = sequence(
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
export type FlowControlIndication = Infer<typeof FlowControlIndication>

export const MobileMultilinkReconfigurationIndication = sequence(
  {
    sampleSize: integer(1, 255),
    samplesPerFrame: integer(1, 255)
  },
  {}
)
export type MobileMultilinkReconfigurationIndication = Infer<typeof MobileMultilinkReconfigurationIndication>
