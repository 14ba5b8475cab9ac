/** 1 GB of evidence to a page and to a receiver of our own, with memory that stays flat: `npm run soak:evidence`, `-- --megabytes N` for another size, `-- --json`. */
import { parseArgs } from 'node:util'
import { jsonLines, metricTable } from '#scripts/bench/report.ts'
import { canMeasureEvidence, evidenceMetrics, measureEvidence } from './bench.ts'

const { values } = parseArgs({
  options: { megabytes: { type: 'string', default: '1024' }, json: { type: 'boolean', default: false } }
})
if (!canMeasureEvidence) {
  console.error('Chromium is not installed (npm run setup)')
  process.exit(1)
}
const metrics = evidenceMetrics(await measureEvidence(Number(values.megabytes) * (1 << 20)))
console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
/** What a file may cost, whatever its size. */
const mostGrownMib = 256
const grown = metrics.filter(({ metric }) => metric.endsWith('_grown_mib'))
if (grown.some(({ value }) => value > mostGrownMib)) {
  console.error(`memory has grown by more than ${mostGrownMib} MiB`)
  process.exit(1)
}
