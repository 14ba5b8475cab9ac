import type { Registry } from 'prom-client'
import { countsBy, openFigures } from '../figures.ts'
import type { RunningH323 } from './h323.ts'

/** Figures of the gatekeeper. Labels are kinds of endpoints, names of counters and of events: all fixed. */
export function h323Metrics(running: () => RunningH323 | null): Registry {
  const { registry, gauge, counter } = openFigures()
  const gatekeeper = () => running()?.gatekeeper
  gauge('h323_endpoints', 'Registered endpoints', ['kind'], () =>
    countsBy(
      'kind',
      ['terminal', 'gateway', 'mcu', 'other'],
      gatekeeper()
        ?.endpoints()
        .map(({ kind }) => kind) ?? []
    )
  )
  gauge(
    'h323_active_calls',
    'Calls that were admitted and are not over',
    [],
    () =>
      gatekeeper()
        ?.calls()
        .filter(({ startedAt }) => startedAt !== null).length ?? 0
  )
  gauge('h323_bandwidth_bps', 'Bandwidth admitted now, both directions together', [], () => gatekeeper()?.bandwidthUsedBps() ?? 0)
  gauge('h323_conference_participants', 'Participants of conferences, by how they came', ['protocol'], () => {
    const conferences = running()?.mcu.conferences() ?? []
    return countsBy(
      'protocol',
      ['h323', 'other'],
      conferences.flatMap(({ terminals }) => terminals.map(({ protocol }) => protocol))
    )
  })
  counter(
    'h323_routed_calls_total',
    'Calls whose signalling went through the gatekeeper',
    [],
    () => running()?.router?.stats().routed ?? 0
  )
  counter('h323_ras_total', 'RAS messages by what became of them', ['outcome'], () =>
    Object.entries(gatekeeper()?.stats() ?? {}).map(([outcome, count]) => [{ outcome }, count])
  )
  counter('h323_events_total', 'Entries told to the ledger', ['event'], () =>
    [...(running()?.told ?? [])].map(([event, count]) => [{ event }, count])
  )
  return registry
}
