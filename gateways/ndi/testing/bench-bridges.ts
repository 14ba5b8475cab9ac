/** Figures of the bridges to NDI: `npm run bench:bridges`, with `-- --json` one JSON object a line. Needs `ip` and `unshare`, and the NDI runtime. */
import { join } from 'node:path'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { isolated, missing } from './isolated.ts'

const bench = join(import.meta.dirname, 'bench.ts')
if (missing !== null) console.error(`NDI is left out: ${missing}`)
const metrics = missing === null ? ((await isolated(bench)) as Metric[]) : []
const json = process.argv.includes('--json')
if (metrics.length > 0) console.log(json ? jsonLines(metrics) : metricTable(metrics))
