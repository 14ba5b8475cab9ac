import { Gauge, Registry } from 'prom-client'
import type { Chassis } from './chassis.ts'
import { objectiveNames } from './reputation/slo.ts'

/** Swarms, and sandboxes with objectives of their own, that get series; how many there are beyond is one figure. */
const mostScopes = 100
const outcomes = [
  'exit',
  'trap',
  'invalid',
  'deadline',
  'memory',
  'flood',
  'protocol',
  'stopped',
  'crashed',
  'abandoned'
] as const

const ofObjective = ['kind', 'scope', 'objective'] as const

/** Labels are names of swarms and sandboxes, at most 100 of them, and words of this file. */
export function metricsOf(chassis: () => Chassis | null): Registry {
  const registry = new Registry()
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: readonly Label[]) =>
    new Gauge<Label>({ name: `chassis_${name}`, help, labelNames, registers: [registry], collect: read })
  const measured = gauge('slo_measured', 'What an objective is measured at: percent, or milliseconds for latency', ...ofObjective)
  const target = gauge('slo_target', 'What an objective asks for: percent, or milliseconds for latency', ...ofObjective)
  const kept = gauge('slo_kept', 'Whether an objective is kept; absent where too few runs say anything', ...ofObjective)
  const runs = gauge('runs_in_window', 'Runs in the window of the objectives, by how they ended', 'kind', 'scope', 'outcome')
  const reputation = gauge('reputation', 'Reputation of a swarm, 0 to 1', 'swarm')
  const violations = gauge('slo_violations_open', 'Violations that last', 'objective')
  const beyond = gauge('slo_scopes_left_out', 'Swarms and sandboxes without series')

  let reading: Promise<void> | null = null
  /** One reading serves all the figures of a scrape, which are asked for at once. */
  function read(): Promise<void> {
    reading ??= fill().finally(() => {
      reading = null
    })
    return reading
  }

  async function fill(): Promise<void> {
    for (const each of [measured, target, kept, runs, reputation, violations]) each.reset()
    const here = chassis()
    if (here === null) return
    const all = await here.sloStatus()
    beyond.set(Math.max(0, all.length - mostScopes))
    for (const { scope, statuses, outcomes: counts } of all.slice(0, mostScopes)) {
      const labels = { kind: scope.kind, scope: scope.id }
      for (const status of statuses) {
        const { objective } = status
        target.set({ ...labels, objective }, status.target)
        if (status.measured !== null) measured.set({ ...labels, objective }, status.measured)
        if (status.kept !== null) kept.set({ ...labels, objective }, Number(status.kept))
      }
      for (const outcome of outcomes) runs.set({ ...labels, outcome }, counts[outcome] ?? 0)
      if (scope.kind === 'swarm') reputation.set({ swarm: scope.id }, (await here.reputation(scope.id)).reputation.score)
    }
    const open = (await here.violations(Number.MAX_SAFE_INTEGER)).map(({ objective }) => objective)
    for (const objective of objectiveNames) violations.set({ objective }, open.filter((each) => each === objective).length)
  }
  return registry
}
