/** H.245 v17 §C.7: the H.223 multiplex table. */
import { choice, type Infer, integer, lazy, nothing, optional, sequence, sequenceOf, setOf, type Type } from '../asn1/asn1.ts'
import { SequenceNumber } from './identifiers.ts'

/** Contains itself, so its values are told by hand. */
export interface MultiplexElement {
  readonly type:
    | { readonly type: 'logicalChannelNumber'; readonly value: number }
    | { readonly type: 'subElementList'; readonly value: readonly MultiplexElement[] }
  readonly repeatCount: { readonly type: 'finite'; readonly value: number } | { readonly type: 'untilClosingFlag' }
}
export const MultiplexElement: Type<MultiplexElement> = sequence({
  type: choice({
    logicalChannelNumber: integer(0, 65_535),
    subElementList: sequenceOf(
      lazy(() => MultiplexElement),
      [2, 255]
    )
  }),
  repeatCount: choice({
    finite: integer(1, 65_535),
    untilClosingFlag: nothing
  })
})

export const MultiplexTableEntryNumber = integer(1, 15)
export type MultiplexTableEntryNumber = Infer<typeof MultiplexTableEntryNumber>

export const MultiplexEntryDescriptor = sequence({
  multiplexTableEntryNumber: MultiplexTableEntryNumber,
  elementList: optional(sequenceOf(MultiplexElement, [1, 256]))
})
export type MultiplexEntryDescriptor = Infer<typeof MultiplexEntryDescriptor>

export const MultiplexEntrySend = sequence(
  {
    sequenceNumber: SequenceNumber,
    multiplexEntryDescriptors: setOf(MultiplexEntryDescriptor, [1, 15])
  },
  {}
)
export type MultiplexEntrySend = Infer<typeof MultiplexEntrySend>

export const MultiplexEntrySendAck = sequence(
  {
    sequenceNumber: SequenceNumber,
    multiplexTableEntryNumber: setOf(MultiplexTableEntryNumber, [1, 15])
  },
  {}
)
export type MultiplexEntrySendAck = Infer<typeof MultiplexEntrySendAck>

export const MultiplexEntryRejectionDescriptions = sequence(
  {
    multiplexTableEntryNumber: MultiplexTableEntryNumber,
    cause: choice(
      {
        unspecifiedCause: nothing,
        descriptorTooComplex: nothing
      },
      {}
    )
  },
  {}
)
export type MultiplexEntryRejectionDescriptions = Infer<typeof MultiplexEntryRejectionDescriptions>

export const MultiplexEntrySendReject = sequence(
  {
    sequenceNumber: SequenceNumber,
    rejectionDescriptions: setOf(MultiplexEntryRejectionDescriptions, [1, 15])
  },
  {}
)
export type MultiplexEntrySendReject = Infer<typeof MultiplexEntrySendReject>

export const MultiplexEntrySendRelease = sequence(
  {
    multiplexTableEntryNumber: setOf(MultiplexTableEntryNumber, [1, 15])
  },
  {}
)
export type MultiplexEntrySendRelease = Infer<typeof MultiplexEntrySendRelease>

export const RequestMultiplexEntry = sequence(
  {
    entryNumbers: setOf(MultiplexTableEntryNumber, [1, 15])
  },
  {}
)
export type RequestMultiplexEntry = Infer<typeof RequestMultiplexEntry>

export const RequestMultiplexEntryAck = sequence(
  {
    entryNumbers: setOf(MultiplexTableEntryNumber, [1, 15])
  },
  {}
)
export type RequestMultiplexEntryAck = Infer<typeof RequestMultiplexEntryAck>

export const RequestMultiplexEntryRejectionDescriptions = sequence(
  {
    multiplexTableEntryNumber: MultiplexTableEntryNumber,
    cause: choice(
      {
        unspecifiedCause: nothing
      },
      {}
    )
  },
  {}
)
export type RequestMultiplexEntryRejectionDescriptions = Infer<typeof RequestMultiplexEntryRejectionDescriptions>

export const RequestMultiplexEntryReject = sequence(
  {
    entryNumbers: setOf(MultiplexTableEntryNumber, [1, 15]),
    rejectionDescriptions: setOf(RequestMultiplexEntryRejectionDescriptions, [1, 15])
  },
  {}
)
export type RequestMultiplexEntryReject = Infer<typeof RequestMultiplexEntryReject>

export const RequestMultiplexEntryRelease = sequence(
  {
    entryNumbers: setOf(MultiplexTableEntryNumber, [1, 15])
  },
  {}
)
export type RequestMultiplexEntryRelease = Infer<typeof RequestMultiplexEntryRelease>
