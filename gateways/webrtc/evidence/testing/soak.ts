/**
 * 1 GB of evidence to a page and to a receiver of our own, with memory that stays flat: `npm run soak:evidence`; `-- --megabytes N` for another size,
 * `-- --to page|own` for one of the two, `-- --json`.
 */
import { parseArgs } from 'node:util'
import { jsonLines, metricTable } from '#scripts/bench/report.ts'
import { canMeasureEvidence, measureOwn, measurePage, ownMetrics, pageMetrics } from './bench.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1024' },
    to: { type: 'string', default: 'both' },
    json: { type: 'boolean', default: false }
  }
})
const bytes = Number(values.megabytes) * (1 << 20)
if (values.to !== 'own' && !canMeasureEvidence) {
  console.error('Chromium is not installed (npm run setup)')
  process.exit(1)
}
const metrics = [
  ...(values.to === 'own' ? [] : pageMetrics(await measurePage(bytes))),
  ...(values.to === 'page' ? [] : ownMetrics(bytes, await measureOwn(bytes)))
]
console.log(values.json ? jsonLines(metrics) : metricTable(metrics))

/** What a file may cost, whatever its size: the suite's side, and Chromium's. */
const mostGrownMib = 256
if (metrics.some(({ metric, value }) => metric.endsWith('grown_mib') && value > mostGrownMib)) {
  console.error(`memory has grown by more than ${mostGrownMib} MiB`)
  process.exit(1)
}
