import { Counter, Gauge, Registry } from 'prom-client'
import { callBridgeStates } from '#kernel'
import { type Evidence, type EvidenceTotals, emptyTotals, sessionStates } from '#webrtc'

/**
 * Figures of evidence. Labels are states, ways and codes: all fixed, and each is there from the start, so that the first refusal is seen to be one more.
 *
 * @param running null where browsers are off
 */
export function evidenceMetrics(running: () => Pick<Evidence, 'calls' | 'kept' | 'totals'> | null): Registry {
  const registry = new Registry()
  const registers = [registry]
  const byState = <S extends string>(
    name: string,
    help: string,
    states: readonly S[],
    found: (evidence: Pick<Evidence, 'calls'>) => readonly S[]
  ) =>
    new Gauge({
      name,
      help,
      labelNames: ['state'] as const,
      registers,
      collect() {
        const evidence = running()
        const all = evidence === null ? [] : found(evidence)
        for (const state of states) this.set({ state }, all.filter((each) => each === state).length)
      }
    })
  byState('evidence_calls', 'Calls whose evidence is open, by state', callBridgeStates, (evidence) =>
    evidence.calls().map(({ state }) => state)
  )
  byState('evidence_sessions', 'Sessions of pages with calls, by state', sessionStates, (evidence) =>
    evidence.calls().flatMap(({ pages }) => pages.map(({ state }) => state))
  )
  const gauge = (name: string, help: string, of: keyof ReturnType<Evidence['kept']>) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(running()?.kept()[of] ?? 0)
      }
    })
  gauge('evidence_items', 'Files that are kept', 'items')
  gauge('evidence_kept_bytes', 'Octets of the files that are kept, and of those set aside for files on their way', 'octets')
  const counter = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    rows: (totals: EvidenceTotals) => readonly (readonly [labels: Record<L, string>, value: number])[]
  ) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [labels, value] of rows(running()?.totals() ?? emptyTotals())) this.inc(labels, value)
      }
    })
  counter('evidence_shared_total', 'Files that were offered to calls, by how they came', ['via'], ({ shared }) =>
    Object.entries(shared).map(([via, value]) => [{ via }, value])
  )
  counter('evidence_receipts_total', 'Files that somebody has whole, recorded', ['how'], ({ receipts }) =>
    Object.entries(receipts).map(([how, value]) => [{ how }, value])
  )
  counter(
    'evidence_refusals_total',
    'Files that were not taken, by who offered them and why',
    ['direction', 'code'],
    ({ refused }) =>
      Object.entries(refused).flatMap(([direction, codes]) =>
        Object.entries(codes).map(([code, value]) => [{ direction, code }, value] as const)
      )
  )
  counter(
    'evidence_transferred_bytes_total',
    'Octets of files over data channels, seen from the suite',
    ['direction'],
    ({ sentBytes, receivedBytes }) => [
      [{ direction: 'sent' }, sentBytes],
      [{ direction: 'received' }, receivedBytes]
    ]
  )
  counter('evidence_resumes_total', 'Times that a file went on with what was missing of it', [], ({ resumes }) => [[{}, resumes]])
  counter('evidence_retries_total', 'Handshakes, offers and chunks that were sent once more', [], ({ retries }) => [
    [{}, retries]
  ])
  return registry
}
