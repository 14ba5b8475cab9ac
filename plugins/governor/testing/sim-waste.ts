/**
 * `npm run sim:waste`: what the governor saves, over seeds and mixes of swarms. The workload is described in waste.ts.
 *
 *     npm run sim:waste -- [--json] [--seeds 4,5,6]
 */
import { parseArgs } from 'node:util'
import { jsonLines, table } from '#scripts/bench/report.ts'
import type { Patience } from '../governor.ts'
import { type Allocation, type Mix, mixes, usualTasks, type Waste } from './waste.ts'
import { governed, meanWaste, usual, wasteFigures } from './waste-figures.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, seeds: { type: 'string', default: '4,5,6' } }
})
const seeds = values.seeds.split(',').map(Number)
/** Keeps no task for anybody. */
const impatient: Patience = { mostMs: 0, ofDeadline: 0, first: 0 }
const runs = (mix: Mix, allocation: Allocation) => meanWaste(seeds, mix, allocation)

const standard = mixes[0]!
if (values.json) {
  console.log(jsonLines(await wasteFigures(seeds)))
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
