/** H.245 v17: multiplexed streams, several payloads in one stream, forward error correction. */
import { boolean, choice, type Infer, integer, objectIdentifier, optional, sequence, setOf } from '../../asn1/asn1.ts'
import { AlternativeCapabilitySet, CapabilityTableEntryNumber } from '../identifiers.ts'
import { MultiplexFormat } from '../multiplex-parameters.ts'

export const MultiplexedStreamCapability = sequence(
  {
    multiplexFormat: MultiplexFormat,
    controlOnMuxStream: boolean,
    capabilityOnMuxStream: optional(setOf(AlternativeCapabilitySet, [1, 256]))
  },
  {}
)
export type MultiplexedStreamCapability = Infer<typeof MultiplexedStreamCapability>

export const MultiplePayloadStreamCapability = sequence(
  {
    capabilities: setOf(AlternativeCapabilitySet, [1, 256])
  },
  {}
)
export type MultiplePayloadStreamCapability = Infer<typeof MultiplePayloadStreamCapability>

export const DepFECCapability = choice(
  {
    rfc2733: sequence(
      {
        redundancyEncoding: boolean,
        separateStream: sequence(
          {
            separatePort: boolean,
            samePort: boolean
          },
          {}
        )
      },
      {}
    )
  },
  {}
)
export type DepFECCapability = Infer<typeof DepFECCapability>

export const MaxRedundancy = integer(1, Number.POSITIVE_INFINITY)
export type MaxRedundancy = Infer<typeof MaxRedundancy>

export const FECCapability = sequence(
  {
    protectedCapability: CapabilityTableEntryNumber,
    fecScheme: optional(objectIdentifier),
    rfc2733Format: optional(
      choice({
        rfc2733rfc2198: MaxRedundancy,
        rfc2733sameport: MaxRedundancy,
        rfc2733diffport: MaxRedundancy
      })
    )
  },
  {}
)
export type FECCapability = Infer<typeof FECCapability>
