/** H.245 v17: user input, DTMF among it. */
import {
  choice,
  generalString,
  type Infer,
  ia5String,
  integer,
  nothing,
  objectIdentifier,
  octetString,
  optional,
  sequence,
  sequenceOf
} from '../asn1/asn1.ts'
import { GenericInformation } from './generic.ts'
import { LogicalChannelNumber, NonStandardParameter } from './identifiers.ts'

export const IV8 = octetString(8)
export type IV8 = Infer<typeof IV8>

export const IV16 = octetString(16)
export type IV16 = Infer<typeof IV16>

export const Params = sequence(
  {
    iv8: optional(IV8),
    iv16: optional(IV16),
    iv: optional(octetString())
  },
  {}
)
export type Params = Infer<typeof Params>

export const UserInputIndication = choice(
  {
    nonStandard: NonStandardParameter,
    alphanumeric: generalString
  },
  {
    userInputSupportIndication: choice(
      {
        nonStandard: NonStandardParameter,
        basicString: nothing,
        iA5String: nothing,
        generalString: nothing
      },
      {
        encryptedBasicString: nothing,
        encryptedIA5String: nothing,
        encryptedGeneralString: nothing
      }
    ),
    signal: sequence(
      {
        signalType: ia5String({ size: 1, alphabet: '!#*0123456789ABCD' }),
        duration: optional(integer(1, 65_535)),
        rtp: optional(
          sequence(
            {
              timestamp: optional(integer(0, 4_294_967_295)),
              expirationTime: optional(integer(0, 4_294_967_295)),
              logicalChannelNumber: LogicalChannelNumber
            },
            {}
          )
        )
      },
      {
        rtpPayloadIndication: nothing,
        paramS: Params,
        encryptedSignalType: octetString(1),
        algorithmOID: objectIdentifier
      }
    ),
    signalUpdate: sequence(
      {
        duration: integer(1, 65_535),
        rtp: optional(
          sequence(
            {
              logicalChannelNumber: LogicalChannelNumber
            },
            {}
          )
        )
      },
      {}
    ),
    extendedAlphanumeric: sequence(
      {
        alphanumeric: generalString,
        rtpPayloadIndication: optional(nothing)
      },
      {
        encryptedAlphanumeric: sequence(
          {
            algorithmOID: objectIdentifier,
            paramS: optional(Params),
            encrypted: octetString()
          },
          {}
        )
      }
    ),
    encryptedAlphanumeric: sequence(
      {
        algorithmOID: objectIdentifier,
        paramS: optional(Params),
        encrypted: octetString()
      },
      {}
    ),
    genericInformation: sequenceOf(GenericInformation)
  }
)
export type UserInputIndication = Infer<typeof UserInputIndication>
