/**
 * `npm run sim:waste`: what the governor saves, over three seeds and three mixes of swarms. The workload is described in waste.ts.
 *
 *     npm run sim:waste -- [--json]
 */
import { parseArgs } from 'node:util'
import { jsonLines, table } from '#scripts/bench/report.ts'
import { mixes, simulateWaste, type Waste } from './waste.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const seeds = [1, 2, 3]
const mean = (runs: readonly Waste[]) => runs.reduce((sum, { wastePct }) => sum + wastePct, 0) / runs.length

const rows: string[][] = []
const means = new Map<string, { before: number; after: number }>()
for (const mix of mixes) {
  const before: Waste[] = []
  const after: Waste[] = []
  for (const seed of seeds) {
    const [without, governed] = [await simulateWaste(seed, mix, null), await simulateWaste(seed, mix, 0.7)]
    before.push(without)
    after.push(governed)
    for (const [name, run] of [
      ['first come', without],
      ['governed', governed]
    ] as const)
      rows.push([
        mix.name,
        String(seed),
        name,
        ...[run.attempts, run.failed, run.completed, run.uncompleted, run.untouched].map(String),
        run.wastePct.toFixed(1)
      ])
  }
  means.set(mix.name, { before: mean(before), after: mean(after) })
}

const standard = means.get('standard')!
if (values.json) {
  const note = `mean of seeds ${seeds.join(', ')}, standard mix; 2000 tasks, 40 swarms`
  console.log(
    jsonLines([
      { metric: 'sim.waste_before_pct', value: standard.before, unit: '%', note: `first come; ${note}` },
      { metric: 'sim.waste_after_pct', value: standard.after, unit: '%', note: `threshold, history, circuits; ${note}` }
    ])
  )
} else {
  const head = ['mix', 'seed', 'claims', 'attempts', 'failed', 'completed', 'not completed', 'never given', 'waste %']
  console.log(table([head, ...rows]))
  console.log()
  const means3 = [...means].map(([name, { before, after }]) => [name, before.toFixed(1), after.toFixed(1)])
  console.log(table([['mean of the seeds', 'first come, waste %', 'governed, waste %'], ...means3]))
  console.log()
  const byThreshold: string[][] = []
  for (const threshold of [0.5, 0.7, 0.8, 0.9, 0.95]) {
    const runs: Waste[] = []
    for (const seed of seeds) runs.push(await simulateWaste(seed, mixes[0]!, threshold))
    const completed = runs.reduce((sum, run) => sum + run.completed, 0) / runs.length
    byThreshold.push([String(threshold), mean(runs).toFixed(1), completed.toFixed(0)])
  }
  console.log(table([['threshold (standard mix, mean of the seeds)', 'waste %', 'completed of 2000'], ...byThreshold]))
}
