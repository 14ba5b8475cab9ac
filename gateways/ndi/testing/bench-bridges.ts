/** Figures of the bridges: `npm run bench:bridges`, with `-- --json` one JSON object a line. Those to NDI need `ip`, `unshare` and the NDI runtime, evidence needs Chromium. */
import { join } from 'node:path'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { isolated, isolatedFor, missing } from './isolated.ts'

const bench = join(import.meta.dirname, 'bench.ts')
if (missing !== null) console.error(`NDI is left out: ${missing}`)

/** An independent sender flashes and beeps; a telephone with pictures notes when both arrive. */
async function skew(): Promise<Metric> {
  const suite = join(import.meta.dirname, '../../../deploy/testing/ndi-suite.ts')
  const { skewsMs } = (await isolatedFor(120_000, suite, 'ingest', 'bare')) as { readonly skewsMs: readonly number[] }
  const sorted = skewsMs.toSorted((a, b) => a - b)
  return {
    metric: 'ndi.av_skew_ms',
    value: Math.abs(sorted[sorted.length >> 1]!),
    unit: 'ms',
    note: `360p at 30/s with its sound, arrival at a telephone, median of ${sorted.length}: picture after sound by ${sorted[0]} to ${sorted.at(-1)} ms`
  }
}

/** Files to a page, beside a bare data channel. */
async function evidence(): Promise<readonly Metric[]> {
  const { canMeasureEvidence, measureEvidence } = await import('../../webrtc/evidence/testing/bench.ts')
  if (canMeasureEvidence) return measureEvidence(64 << 20)
  console.error('evidence is left out: Chromium is not installed')
  return []
}

async function browsers(): Promise<Metric[]> {
  const { canMeasureWebRtc, measureWebRtc } = await import('#scripts/bench/testing/webrtc.ts')
  if (canMeasureWebRtc) return measureWebRtc()
  console.error('browsers are left out: Chromium is not installed')
  return []
}

const metrics = [
  ...(missing === null ? [...((await isolated(bench)) as Metric[]), await skew()] : []),
  ...(await evidence()),
  ...(await browsers())
]
const json = process.argv.includes('--json')
if (metrics.length > 0) console.log(json ? jsonLines(metrics) : metricTable(metrics))
