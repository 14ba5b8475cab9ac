import type { Registry } from 'prom-client'
import { callBridgeStates } from '#kernel'
import { countsBy, openFigures } from '../figures.ts'
import type { RunningNdi } from './ndi.ts'

const outcomes = ['encoded', 'skipped', 'dropped'] as const

/** Figures of NDI. Labels are states and what became of pictures: all fixed. */
export function ndiMetrics(running: () => RunningNdi | null): Registry {
  const { registry, gauge, counter } = openFigures()
  const list = () => running()?.list() ?? { ingests: [], publications: [] }
  gauge('ndi_ingests', 'NDI sources in conferences, by state', ['state'], () =>
    countsBy(
      'state',
      callBridgeStates,
      list().ingests.map(({ state }) => state)
    )
  )
  gauge('ndi_publications', 'Conferences that are NDI sources', [], () => list().publications.length)
  gauge('ndi_publication_receivers', 'Receivers of all of them', [], () =>
    list().publications.reduce((sum, { receivers }) => sum + receivers, 0)
  )
  gauge(
    'ndi_ingest_delay_seconds',
    'From the arrival of a picture until it went to the conference: the longest of those that run',
    [],
    () => Math.max(0, ...list().ingests.map(({ delayMs }) => delayMs)) / 1000
  )
  counter('ndi_pictures_total', 'Pictures of NDI sources by what became of them', ['outcome'], () => {
    const totals = running()?.ingests.totals()
    return outcomes.map((outcome) => [{ outcome }, totals?.[outcome] ?? 0])
  })
  return registry
}
