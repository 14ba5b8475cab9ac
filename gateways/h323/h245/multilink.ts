/** H.245 v17: multilink. */
import { choice, type Infer, ia5String, integer, nothing, numericString, optional, sequence, setOf } from '../asn1/asn1.ts'
import { NonStandardMessage, SequenceNumber } from './identifiers.ts'

export const DialingInformationNetworkType = choice(
  {
    nonStandard: NonStandardMessage,
    'n-isdn': nothing,
    gstn: nothing
  },
  {
    mobile: nothing
  }
)
export type DialingInformationNetworkType = Infer<typeof DialingInformationNetworkType>

export const DialingInformationNumber = sequence(
  {
    networkAddress: numericString({ size: [0, 40] }),
    subAddress: optional(ia5String({ size: [1, 40] })),
    networkType: setOf(DialingInformationNetworkType, [1, 255])
  },
  {}
)
export type DialingInformationNumber = Infer<typeof DialingInformationNumber>

export const DialingInformation = choice(
  {
    nonStandard: NonStandardMessage,
    differential: setOf(DialingInformationNumber, [1, 65_535]),
    infoNotAvailable: integer(1, 65_535)
  },
  {}
)
export type DialingInformation = Infer<typeof DialingInformation>

export const ConnectionIdentifier = sequence(
  {
    channelTag: integer(0, 4_294_967_295),
    sequenceNumber: integer(0, 4_294_967_295)
  },
  {}
)
export type ConnectionIdentifier = Infer<typeof ConnectionIdentifier>

export const MultilinkRequest = choice(
  {
    nonStandard: NonStandardMessage,
    callInformation: sequence(
      {
        maxNumberOfAdditionalConnections: integer(1, 65_535)
      },
      {}
    ),
    addConnection: sequence(
      {
        sequenceNumber: SequenceNumber,
        dialingInformation: DialingInformation
      },
      {}
    ),
    removeConnection: sequence(
      {
        connectionIdentifier: ConnectionIdentifier
      },
      {}
    ),
    maximumHeaderInterval: sequence(
      {
        requestType: choice(
          {
            currentIntervalInformation: nothing,
            requestedInterval: integer(0, 65_535)
          },
          {}
        )
      },
      {}
    )
  },
  {}
)
export type MultilinkRequest = Infer<typeof MultilinkRequest>

export const MultilinkResponse = choice(
  {
    nonStandard: NonStandardMessage,
    callInformation: sequence(
      {
        dialingInformation: DialingInformation,
        callAssociationNumber: integer(0, 4_294_967_295)
      },
      {}
    ),
    addConnection: sequence(
      {
        sequenceNumber: SequenceNumber,
        responseCode: choice(
          {
            accepted: nothing,
            rejected: choice(
              {
                connectionsNotAvailable: nothing,
                userRejected: nothing
              },
              {}
            )
          },
          {}
        )
      },
      {}
    ),
    removeConnection: sequence(
      {
        connectionIdentifier: ConnectionIdentifier
      },
      {}
    ),
    maximumHeaderInterval: sequence(
      {
        currentInterval: integer(0, 65_535)
      },
      {}
    )
  },
  {}
)
export type MultilinkResponse = Infer<typeof MultilinkResponse>

export const MultilinkIndication = choice(
  {
    nonStandard: NonStandardMessage,
    crcDesired: sequence({}, {}),
    excessiveError: sequence(
      {
        connectionIdentifier: ConnectionIdentifier
      },
      {}
    )
  },
  {}
)
export type MultilinkIndication = Infer<typeof MultilinkIndication>
