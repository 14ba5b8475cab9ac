/** Figures of the bridges to NDI: `npm run bench:bridges`, with `-- --json` one JSON object a line. Needs `ip` and `unshare`, and the NDI runtime. */
import { isolated, missing } from '../../gateways/ndi/testing/isolated.ts'
import { jsonLines, type Metric, metricTable } from './report.ts'

const bench = new URL('../../gateways/ndi/testing/bench.ts', import.meta.url).pathname
if (missing !== null) console.error(`NDI is left out: ${missing}`)
const metrics = missing === null ? ((await isolated(bench)) as Metric[]) : []
const json = process.argv.includes('--json')
if (metrics.length > 0) console.log(json ? jsonLines(metrics) : metricTable(metrics))
