/** What evidence comes to over all calls, for figures: by words that are fixed, whoever sends what. */
import type { LinkStatistics } from './link/link-ports.ts'
import { type EvidenceRefusalCode, refusalCodes } from './names.ts'
import { type EvidenceItem, ways } from './store.ts'

/** Who was told no: the page that offers a file, the council when a page does not take one, or whoever sends by HTTP. */
const refusedDirections = ['from participant', 'to participant', 'from http'] as const
export type RefusedDirection = (typeof refusedDirections)[number]

type Moved = Pick<LinkStatistics, 'sentBytes' | 'receivedBytes' | 'retries' | 'resumes'>

export interface EvidenceTotals extends Moved {
  /** Files that were offered, by how they came. */
  readonly shared: Record<EvidenceItem['via'], number>
  /** In the ledger, by how a file was had. */
  readonly receipts: Record<'page' | 'link' | 'video', number>
  readonly refused: Record<RefusedDirection, Record<EvidenceRefusalCode, number>>
}

const zeros = <K extends string>(names: readonly K[]) => Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>

export const emptyTotals = (): EvidenceTotals => ({
  sentBytes: 0,
  receivedBytes: 0,
  retries: 0,
  resumes: 0,
  shared: zeros(ways),
  receipts: zeros(['page', 'link', 'video']),
  refused: {
    'from participant': zeros(refusalCodes),
    'to participant': zeros(refusalCodes),
    'from http': zeros(refusalCodes)
  }
})

/** With what one link has done. */
export const totalsWith = (totals: EvidenceTotals, { sentBytes, receivedBytes, retries, resumes }: Moved): EvidenceTotals => ({
  ...totals,
  sentBytes: totals.sentBytes + sentBytes,
  receivedBytes: totals.receivedBytes + receivedBytes,
  retries: totals.retries + retries,
  resumes: totals.resumes + resumes
})
