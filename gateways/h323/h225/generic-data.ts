/** H.225.0 v8 §7.6: the generic extensibility framework, carrier of H.460.x. */
import {
  bmpString,
  boolean,
  choice,
  type Extensible,
  type Infer,
  ia5String,
  integer,
  lazy,
  objectIdentifier,
  octetString,
  optional,
  sequence,
  sequenceOf,
  type Type
} from '../asn1/asn1.ts'
import { AliasAddress, TransportAddress } from './addresses.ts'
import { GloballyUniqueID } from './identifiers.ts'

export const GenericIdentifier = choice(
  {
    standard: integer(0, 16_383, { extensible: true }),
    oid: objectIdentifier,
    nonStandard: GloballyUniqueID
  },
  {}
)
export type GenericIdentifier = Infer<typeof GenericIdentifier>

/** Contains itself, so its values are told by hand. */
export interface EnumeratedParameter extends Extensible {
  readonly id: GenericIdentifier
  readonly content?: Content
}
export const EnumeratedParameter: Type<EnumeratedParameter> = sequence(
  {
    id: GenericIdentifier,
    content: optional(lazy(() => Content))
  },
  {}
)

export const GenericData = sequence(
  {
    id: GenericIdentifier,
    parameters: optional(sequenceOf(EnumeratedParameter, [1, 512]))
  },
  {}
)
export type GenericData = Infer<typeof GenericData>

export const FeatureDescriptor = GenericData
export type FeatureDescriptor = Infer<typeof FeatureDescriptor>

export const Content = choice(
  {
    raw: octetString(),
    text: ia5String(),
    unicode: bmpString(),
    bool: boolean,
    number8: integer(0, 255),
    number16: integer(0, 65_535),
    number32: integer(0, 4_294_967_295),
    id: GenericIdentifier,
    alias: AliasAddress,
    transport: TransportAddress,
    compound: sequenceOf(EnumeratedParameter, [1, 512]),
    nested: sequenceOf(GenericData, [1, 16])
  },
  {}
)
export type Content = Infer<typeof Content>

export const FeatureSet = sequence(
  {
    replacementFeatureSet: boolean,
    neededFeatures: optional(sequenceOf(FeatureDescriptor)),
    desiredFeatures: optional(sequenceOf(FeatureDescriptor)),
    supportedFeatures: optional(sequenceOf(FeatureDescriptor))
  },
  {}
)
export type FeatureSet = Infer<typeof FeatureSet>
