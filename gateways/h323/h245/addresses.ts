/** H.245 v17: transport addresses of media. */
import { choice, type Infer, integer, nothing, numericString, octetString, optional, sequence, sequenceOf } from '../asn1/asn1.ts'
import { NonStandardParameter } from './identifiers.ts'

export const Q2931Address = sequence(
  {
    address: choice(
      {
        internationalNumber: numericString({ size: [1, 16] }),
        nsapAddress: octetString([1, 20])
      },
      {}
    ),
    subaddress: optional(octetString([1, 20]))
  },
  {}
)
export type Q2931Address = Infer<typeof Q2931Address>

export const UnicastAddress = choice(
  {
    iPAddress: sequence(
      {
        network: octetString(4),
        tsapIdentifier: integer(0, 65_535)
      },
      {}
    ),
    iPXAddress: sequence(
      {
        node: octetString(6),
        netnum: octetString(4),
        tsapIdentifier: octetString(2)
      },
      {}
    ),
    iP6Address: sequence(
      {
        network: octetString(16),
        tsapIdentifier: integer(0, 65_535)
      },
      {}
    ),
    netBios: octetString(16),
    iPSourceRouteAddress: sequence(
      {
        routing: choice({
          strict: nothing,
          loose: nothing
        }),
        network: octetString(4),
        tsapIdentifier: integer(0, 65_535),
        route: sequenceOf(octetString(4))
      },
      {}
    )
  },
  {
    nsap: octetString([1, 20]),
    nonStandardAddress: NonStandardParameter
  }
)
export type UnicastAddress = Infer<typeof UnicastAddress>

export const MulticastAddress = choice(
  {
    iPAddress: sequence(
      {
        network: octetString(4),
        tsapIdentifier: integer(0, 65_535)
      },
      {}
    ),
    iP6Address: sequence(
      {
        network: octetString(16),
        tsapIdentifier: integer(0, 65_535)
      },
      {}
    )
  },
  {
    nsap: octetString([1, 20]),
    nonStandardAddress: NonStandardParameter
  }
)
export type MulticastAddress = Infer<typeof MulticastAddress>

export const TransportAddress = choice(
  {
    unicastAddress: UnicastAddress,
    multicastAddress: MulticastAddress
  },
  {}
)
export type TransportAddress = Infer<typeof TransportAddress>
