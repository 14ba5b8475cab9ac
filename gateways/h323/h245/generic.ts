/** H.245 v17: generic parameters and messages, which later Recommendations fill. */
import {
  choice,
  type Extensible,
  type Infer,
  ia5String,
  integer,
  lazy,
  nothing,
  objectIdentifier,
  octetString,
  optional,
  sequence,
  sequenceOf,
  type Type
} from '../asn1/asn1.ts'
import { NonStandardParameter } from './identifiers.ts'

export const CapabilityIdentifier = choice(
  {
    standard: objectIdentifier,
    h221NonStandard: NonStandardParameter,
    uuid: octetString(16),
    domainBased: ia5String({ size: [1, 64] })
  },
  {}
)
export type CapabilityIdentifier = Infer<typeof CapabilityIdentifier>

export const ParameterIdentifier = choice(
  {
    standard: integer(0, 127),
    h221NonStandard: NonStandardParameter,
    uuid: octetString(16),
    domainBased: ia5String({ size: [1, 64] })
  },
  {}
)
export type ParameterIdentifier = Infer<typeof ParameterIdentifier>

/** Contains itself, so its values are told by hand. */
export interface GenericParameter extends Extensible {
  readonly parameterIdentifier: ParameterIdentifier
  readonly parameterValue: ParameterValue
  readonly supersedes?: readonly ParameterIdentifier[]
}
export const GenericParameter: Type<GenericParameter> = sequence(
  {
    parameterIdentifier: ParameterIdentifier,
    parameterValue: lazy(() => ParameterValue),
    supersedes: optional(sequenceOf(ParameterIdentifier))
  },
  {}
)

export const GenericMessage = sequence(
  {
    messageIdentifier: CapabilityIdentifier,
    subMessageIdentifier: optional(integer(0, 127)),
    messageContent: optional(sequenceOf(GenericParameter))
  },
  {}
)
export type GenericMessage = Infer<typeof GenericMessage>

export const GenericInformation = GenericMessage
export type GenericInformation = Infer<typeof GenericInformation>

export const ParameterValue = choice(
  {
    logical: nothing,
    booleanArray: integer(0, 255),
    unsignedMin: integer(0, 65_535),
    unsignedMax: integer(0, 65_535),
    unsigned32Min: integer(0, 4_294_967_295),
    unsigned32Max: integer(0, 4_294_967_295),
    octetString: octetString(),
    genericParameter: sequenceOf(GenericParameter)
  },
  {}
)
export type ParameterValue = Infer<typeof ParameterValue>
