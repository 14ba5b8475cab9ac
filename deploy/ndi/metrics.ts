import { Counter, Gauge, Registry } from 'prom-client'
import { callBridgeStates } from '#kernel'
import type { RunningNdi } from './ndi.ts'

const outcomes = ['encoded', 'skipped', 'dropped'] as const

/** Figures of NDI. Labels are states and what became of pictures: all fixed. */
export function ndiMetrics(running: () => RunningNdi | null): Registry {
  const registers = [new Registry()]
  const list = () => running()?.list() ?? { ingests: [], publications: [] }
  new Gauge({
    name: 'ndi_ingests',
    help: 'NDI sources in conferences, by state',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const { ingests } = list()
      for (const state of callBridgeStates) this.set({ state }, ingests.filter((each) => each.state === state).length)
    }
  })
  new Gauge({
    name: 'ndi_publications',
    help: 'Conferences that are NDI sources',
    registers,
    collect() {
      this.set(list().publications.length)
    }
  })
  new Gauge({
    name: 'ndi_publication_receivers',
    help: 'Receivers of all of them',
    registers,
    collect() {
      this.set(list().publications.reduce((sum, { receivers }) => sum + receivers, 0))
    }
  })
  new Gauge({
    name: 'ndi_ingest_delay_seconds',
    help: 'From the arrival of a picture until it went to the conference: the longest of those that run',
    registers,
    collect() {
      this.set(Math.max(0, ...list().ingests.map(({ delayMs }) => delayMs)) / 1000)
    }
  })
  new Counter({
    name: 'ndi_pictures_total',
    help: 'Pictures of NDI sources by what became of them',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset()
      const totals = running()?.ingests.totals()
      for (const outcome of outcomes) this.inc({ outcome }, totals?.[outcome] ?? 0)
    }
  })
  return registers[0]!
}
