import type { Registry } from 'prom-client'
import { callBridgeStates } from '#kernel'
import { type Evidence, emptyTotals, sessionStates } from '#webrtc'
import { countsBy, openFigures } from '../figures.ts'

/**
 * Figures of evidence. Labels are states, ways and codes: all fixed, and each is there from the start, so that the first refusal is seen to be one more.
 *
 * @param running null where browsers are off
 */
export function evidenceMetrics(running: () => Pick<Evidence, 'calls' | 'kept' | 'totals'> | null): Registry {
  const { registry, gauge, counter } = openFigures()
  const calls = () => running()?.calls() ?? []
  const kept = (of: keyof ReturnType<Evidence['kept']>) => () => running()?.kept()[of] ?? 0
  const totals = () => running()?.totals() ?? emptyTotals()
  gauge('evidence_calls', 'Calls whose evidence is open, by state', ['state'], () =>
    countsBy(
      'state',
      callBridgeStates,
      calls().map(({ state }) => state)
    )
  )
  gauge('evidence_sessions', 'Sessions of pages with calls, by state', ['state'], () =>
    countsBy(
      'state',
      sessionStates,
      calls().flatMap(({ pages }) => pages.map(({ state }) => state))
    )
  )
  gauge('evidence_items', 'Files that are kept', [], kept('items'))
  gauge(
    'evidence_kept_bytes',
    'Octets of the files that are kept, and of those set aside for files on their way',
    [],
    kept('octets')
  )
  counter('evidence_shared_total', 'Files that were offered to calls, by how they came', ['via'], () =>
    Object.entries(totals().shared).map(([via, value]) => [{ via }, value])
  )
  counter('evidence_receipts_total', 'Files that somebody has whole, recorded', ['how'], () =>
    Object.entries(totals().receipts).map(([how, value]) => [{ how }, value])
  )
  counter('evidence_refusals_total', 'Files that were not taken, by who offered them and why', ['direction', 'code'], () =>
    Object.entries(totals().refused).flatMap(([direction, codes]) =>
      Object.entries(codes).map(([code, value]) => [{ direction, code }, value] as const)
    )
  )
  counter('evidence_transferred_bytes_total', 'Octets of files over data channels, seen from the suite', ['direction'], () => {
    const { sentBytes, receivedBytes } = totals()
    return [
      [{ direction: 'sent' }, sentBytes],
      [{ direction: 'received' }, receivedBytes]
    ]
  })
  counter('evidence_resumes_total', 'Times that a file went on with what was missing of it', [], () => totals().resumes)
  counter('evidence_retries_total', 'Handshakes, offers and chunks that were sent once more', [], () => totals().retries)
  return registry
}
