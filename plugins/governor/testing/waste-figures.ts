import type { Metric } from '#scripts/bench/report.ts'
import type { Patience } from '../governor.ts'
import { type Allocation, type Mix, mixes, simulateWaste, usualTasks, type Waste } from './waste.ts'

/** Threshold of a match. */
export const usual = 0.7

export const governed = (threshold: number, patience?: Patience): Allocation => ({
  by: 'governor',
  config: { threshold, ...(patience === undefined ? {} : { patience }) }
})

/** Means over the seeds. */
export async function meanWaste(seeds: readonly number[], mix: Mix, allocation: Allocation): Promise<Waste> {
  const sum: Record<string, number> = {}
  for (const seed of seeds)
    for (const [name, value] of Object.entries(await simulateWaste(seed, mix, allocation))) sum[name] = (sum[name] ?? 0) + value
  return Object.fromEntries(Object.entries(sum).map(([name, value]) => [name, value / seeds.length])) as unknown as Waste
}

/** What the gate saves in the standard mix. */
export async function wasteFigures(seeds: readonly number[]): Promise<Metric[]> {
  const mix = mixes[0]!
  const note = `mean of seeds ${seeds.join(', ')}, ${mix.name} mix; ${usualTasks} tasks, 40 swarms`
  const before = await meanWaste(seeds, mix, { by: 'first come' })
  const after = await meanWaste(seeds, mix, governed(usual))
  const wait = `to the first attempt, `
  return [
    { metric: 'sim.waste_before_pct', value: before.wastePct, unit: '%', note: `first come; ${note}` },
    { metric: 'sim.waste_after_pct', value: after.wastePct, unit: '%', note: `governor's gate; ${note}` },
    { metric: 'sim.wait_before_minutes', value: before.waitMinutes, unit: 'min', note: `${wait}first come; ${note}` },
    { metric: 'sim.wait_after_minutes', value: after.waitMinutes, unit: 'min', note: `${wait}governor's gate; ${note}` },
    { metric: 'sim.completed_before', value: before.completed, unit: 'tasks', note: `first come; ${note}` },
    { metric: 'sim.completed_after', value: after.completed, unit: 'tasks', note: `governor's gate; ${note}` }
  ]
}
