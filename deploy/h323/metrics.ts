import { Counter, Gauge, Registry } from 'prom-client'
import type { RunningH323 } from './h323.ts'

const kinds = ['terminal', 'gateway', 'mcu', 'other'] as const

/** Figures of the gatekeeper. Labels are kinds of endpoints, names of counters and of events: all fixed. */
export function h323Metrics(running: () => RunningH323 | null): Registry {
  const registers = [new Registry()]
  new Gauge({
    name: 'h323_endpoints',
    help: 'Registered endpoints',
    labelNames: ['kind'] as const,
    registers,
    collect() {
      const endpoints = running()?.gatekeeper.endpoints() ?? []
      for (const kind of kinds) this.set({ kind }, endpoints.filter((endpoint) => endpoint.kind === kind).length)
    }
  })
  new Gauge({
    name: 'h323_active_calls',
    help: 'Calls that were admitted and are not over',
    registers,
    collect() {
      this.set(
        running()
          ?.gatekeeper.calls()
          .filter(({ startedAt }) => startedAt !== null).length ?? 0
      )
    }
  })
  new Gauge({
    name: 'h323_bandwidth_bps',
    help: 'Bandwidth admitted now, both directions together',
    registers,
    collect() {
      this.set(running()?.gatekeeper.bandwidthUsedBps() ?? 0)
    }
  })
  new Gauge({
    name: 'h323_conference_participants',
    help: 'Participants of conferences, by how they came',
    labelNames: ['protocol'] as const,
    registers,
    collect() {
      const all =
        running()
          ?.mcu.conferences()
          .flatMap(({ terminals }) => terminals) ?? []
      for (const protocol of ['h323', 'other'] as const)
        this.set({ protocol }, all.filter((terminal) => terminal.protocol === protocol).length)
    }
  })
  new Counter({
    name: 'h323_routed_calls_total',
    help: 'Calls whose signalling went through the gatekeeper',
    registers,
    collect() {
      this.reset()
      this.inc(running()?.router?.stats().routed ?? 0)
    }
  })
  new Counter({
    name: 'h323_ras_total',
    help: 'RAS messages by what became of them',
    labelNames: ['outcome'] as const,
    registers,
    collect() {
      this.reset()
      for (const [outcome, count] of Object.entries(running()?.gatekeeper.stats() ?? {})) this.inc({ outcome }, count)
    }
  })
  new Counter({
    name: 'h323_events_total',
    help: 'Entries told to the ledger',
    labelNames: ['event'] as const,
    registers,
    collect() {
      this.reset()
      for (const [event, count] of running()?.told ?? []) this.inc({ event }, count)
    }
  })
  return registers[0]!
}
