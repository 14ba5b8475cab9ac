/**
 * `npm run sim:waste`: what the governor saves, over seeds and mixes of swarms. The workload is described in waste.ts.
 *
 *     npm run sim:waste -- [--json] [--seeds 4,5,6]
 */
import { parseArgs } from 'node:util'
import { jsonLines, table } from '#scripts/bench/report.ts'
import type { Patience } from '../governor.ts'
import { type Allocation, type Mix, mixes, simulateWaste, usualTasks, type Waste } from './waste.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, seeds: { type: 'string', default: '4,5,6' } }
})
const seeds = values.seeds.split(',').map(Number)
const usual = 0.7
/** Keeps no task for anybody. */
const impatient: Patience = { mostMs: 0, ofDeadline: 0, first: 0 }
const governed = (threshold: number, patience?: Patience): Allocation => ({
  by: 'governor',
  config: { threshold, ...(patience === undefined ? {} : { patience }) }
})

/** Means over the seeds. */
async function runs(mix: Mix, allocation: Allocation): Promise<Waste> {
  const sum: Record<string, number> = {}
  for (const seed of seeds)
    for (const [name, value] of Object.entries(await simulateWaste(seed, mix, allocation))) sum[name] = (sum[name] ?? 0) + value
  return Object.fromEntries(Object.entries(sum).map(([name, value]) => [name, value / seeds.length])) as unknown as Waste
}

const standard = mixes[0]!
if (values.json) {
  const note = `mean of seeds ${seeds.join(', ')}, standard mix; ${usualTasks} tasks, 40 swarms`
  const [before, after] = [await runs(standard, { by: 'first come' }), await runs(standard, governed(usual))]
  console.log(
    jsonLines([
      { metric: 'sim.waste_before_pct', value: before.wastePct, unit: '%', note: `first come; ${note}` },
      { metric: 'sim.waste_after_pct', value: after.wastePct, unit: '%', note: `governor's gate; ${note}` },
      {
        metric: 'sim.wait_before_minutes',
        value: before.waitMinutes,
        unit: 'min',
        note: `to the first attempt, first come; ${note}`
      },
      {
        metric: 'sim.wait_after_minutes',
        value: after.waitMinutes,
        unit: 'min',
        note: `to the first attempt, governor's gate; ${note}`
      },
      { metric: 'sim.completed_before', value: before.completed, unit: 'tasks', note: `first come; ${note}` },
      { metric: 'sim.completed_after', value: after.completed, unit: 'tasks', note: `governor's gate; ${note}` }
    ])
  )
} else {
  const row = (name: string, { attempts, failed, completed, uncompleted, untouched, wastePct, waitMinutes }: Waste): string[] => [
    name,
    ...[attempts, failed, completed, uncompleted, untouched].map((value) => value.toFixed(0)),
    wastePct.toFixed(1),
    waitMinutes.toFixed(1)
  ]
  const head = ['attempts', 'failed', 'completed', 'not completed', 'never given', 'waste %', 'wait, minutes']
  const rows: string[][] = []
  for (const mix of mixes) {
    rows.push([mix.name, ...row('first come', await runs(mix, { by: 'first come' }))])
    rows.push([mix.name, ...row('governed', await runs(mix, governed(usual)))])
    rows.push([mix.name, ...row('governed, no patience', await runs(mix, governed(usual, impatient)))])
    rows.push([mix.name, ...row('oracle', await runs(mix, { by: 'oracle', least: usual }))])
  }
  console.log(`means of seeds ${seeds.join(', ')}; ${usualTasks} tasks`)
  console.log(table([['mix', 'who says', ...head], ...rows]))
  console.log()
  const byThreshold: string[][] = []
  for (const threshold of [0.5, 0.6, usual, 0.8, 0.9])
    byThreshold.push(row(String(threshold), await runs(standard, governed(threshold))))
  console.log(table([['threshold, standard mix', ...head], ...byThreshold]))
}
