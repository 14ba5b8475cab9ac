/** The state of coordinator, governor and chassis, swept by the suite: one of those that share it does so. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Counter, Gauge, Registry } from 'prom-client'
import { type Chassis, chassisMetrics, createChassis, taskGate } from '#chassis'
import { createCoordinator, type Stats, type Sweeper, startSweeper, taskStates } from '#coordinator'
import { createGovernor } from '#governor'
import { type Clock, errorCode } from '#kernel'
import { appendItem, appendRetold, keyTaken, type Ledger } from '#ledger'
import { openStore, type StorePlace, type WitnessedStore, witnessedStore } from '#store'
import type { DataLayout } from './data/layout.ts'
import type { SuiteConfig } from './settings/settings.ts'

export interface RunningPlugins {
  /** Null until there is a state. */
  readonly sweeper: () => Sweeper | null
  readonly chassis: () => Chassis | null
  readonly stats: () => Promise<Stats | null>
  /** Idempotent. */
  readonly close: () => Promise<void>
}

export interface PluginsPorts {
  readonly ledger: Pick<Ledger, 'append'>
  readonly clock: Clock
  readonly warn: (code: string, message: string) => void
}

/** How often it is looked whether there is a state to be swept. */
const lookEachMs = 1000
/** Objectives are judged anew so often, as time goes on without runs, and runs whose owners are gone are ended. */
const judgeEachMs = 60_000

function placeOf({ plugins: { store } }: SuiteConfig, layout: DataLayout): StorePlace {
  return store.kind === 'redis'
    ? { kind: 'redis', url: store.url, name: store.name }
    : { kind: 'sqlite', path: join(layout.folder, 'state.db') }
}

/** Begins at once; without a state in the data folder there is nothing to be swept, and none is made. */
export function startPlugins(config: SuiteConfig, layout: DataLayout, { ledger, clock, warn }: PluginsPorts): RunningPlugins {
  const { enabled, everyMs, leaseMs } = config.plugins.sweep
  const place = placeOf(config, layout)
  let open: { witnessed: WitnessedStore; sweeper: Sweeper; chassis: Chassis; stats: () => Promise<Stats> } | null = null
  let closed = false
  let told = ''
  const failed = (error: unknown): void => {
    const code = errorCode(error)
    // once for a row of failures of a kind
    if (code !== told) warn('suite.sweep', `tasks are not swept (${code})`)
    told = code
  }

  const begin = async (): Promise<void> => {
    const witnessed = witnessedStore(await openStore(place), async (events) => {
      const items = events.map(({ event, key }) => appendItem(event, clock.now(), key))
      const toldTaken = (why: string): void => warn(keyTaken, why)
      await appendRetold((some) => ledger.append(some, null), items, toldTaken, clock.now)
    })
    const governor = createGovernor(witnessed)
    const coordinator = createCoordinator(witnessed, { gates: [governor.gate, taskGate] })
    const folder = join(layout.folder, 'chassis/modules')
    const chassis = createChassis(witnessed, { folder, services: new Map(), hazards: config.hazards })
    let judgedAt = Number.NEGATIVE_INFINITY
    const also = async (): Promise<void> => {
      told = ''
      if (performance.now() - judgedAt < judgeEachMs) return
      judgedAt = performance.now()
      await chassis.takeBack()
      await chassis.judgeAll()
    }
    const sweeper = startSweeper(witnessed.store, coordinator, { everyMs, leaseMs, also, failed })
    open = { witnessed, sweeper, chassis, stats: coordinator.stats }
  }

  let cancel = (): void => {}
  let under = Promise.resolve()
  const look = (): void => {
    under = (place.kind === 'redis' || existsSync(place.path) ? begin() : Promise.resolve()).catch(failed).then(() => {
      if (open === null && !closed) cancel = clock.after(lookEachMs, look)
    })
  }
  if (enabled) look()
  return {
    sweeper: () => open?.sweeper ?? null,
    chassis: () => open?.chassis ?? null,
    stats: async () => (await open?.stats()) ?? null,
    close: async () => {
      closed = true
      cancel()
      await under
      const last = open
      open = null
      if (last === null) return
      await last.sweeper.close()
      await last.chassis.close()
      await last.witnessed.close()
    }
  }
}

/** Figures of sweeping, tasks and objectives. Labels are states of tasks, and those of the chassis. */
export async function pluginsMetrics(running: () => RunningPlugins | null): Promise<Registry> {
  const registry = new Registry()
  const registers = [registry]
  const counter = (name: string, help: string, value: (sweeper: Sweeper) => number) =>
    new Counter({
      name: `coordinator_${name}`,
      help,
      registers,
      collect() {
        const sweeper = running()?.sweeper() ?? null
        this.reset()
        this.inc(sweeper === null ? 0 : value(sweeper))
      }
    })
  counter('sweeps_total', 'Sweeps made by this process', ({ figures }) => figures().sweeps)
  counter('swept_total', 'Claims taken back and deadlines passed, found by this process', ({ figures }) => figures().expired)
  counter('sweep_failures_total', 'Sweeps that failed', ({ figures }) => figures().failures)
  counter('delivered_total', 'Events brought to the ledger that others had left', ({ figures }) => figures().delivered)
  new Gauge({
    name: 'coordinator_sweep_leader',
    help: 'Whether this process is the one that sweeps',
    registers,
    collect() {
      this.set(running()?.sweeper()?.figures().leading === true ? 1 : 0)
    }
  })
  new Gauge({
    name: 'coordinator_tasks',
    help: 'Tasks by state',
    labelNames: ['state'] as const,
    registers,
    async collect() {
      const stats = (await running()?.stats()) ?? null
      for (const state of taskStates) this.set({ state }, stats?.tasks[state] ?? 0)
    }
  })
  return Registry.merge([registry, await chassisMetrics(() => running()?.chassis() ?? null)])
}
