/**
 * How long exports of a log of `entries` entries take, what they cost in memory, and how fast a bundle is verified.
 *
 *     node ledger/testing/export-bench.ts [--json] [--entries 1000000]
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultRates, ledgerExports, ledgerFiles, openReader, verifyLedger } from '#ledger'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { makeLog } from './verify-bench.ts'

const mib = 1 << 20

async function benchExport({ entries = 1_000_000 } = {}): Promise<Metric[]> {
  const dir = mkdtempSync(join(tmpdir(), 'export-bench-'))
  try {
    const log = await makeLog(dir, entries)
    await log.close()
    const { vkey } = log.options
    writeFileSync(ledgerFiles(dir).vkey, `${vkey}\n`)
    const { exportLedger, importBundle } = await ledgerExports()
    const reader = await openReader(dir)
    // the index is not what is measured
    await reader.query({ limit: 1 })
    const metrics: Metric[] = []
    for (const format of ['json', 'csv', 'bundle'] as const) {
      const out = join(dir, `out.${format}`)
      let most = process.memoryUsage.rss()
      const before = most
      const watch = setInterval(() => {
        most = Math.max(most, process.memoryUsage.rss())
      }, 20)
      const cpu = process.cpuUsage()
      const from = performance.now()
      await exportLedger({ reader, files: ledgerFiles(dir) }, { format, out, filter: {}, rates: defaultRates })
      const seconds = (performance.now() - from) / 1000
      clearInterval(watch)
      const { user, system } = process.cpuUsage(cpu)
      const size = statSync(out).size / mib
      const note = `${entries} entries: ${size.toFixed(0)} MiB; ${((user + system) / 1e6).toFixed(2)} CPU-s; memory grew by ${((most - before) / mib).toFixed(0)} MiB`
      metrics.push({ metric: `ledger.export_${format}_s`, value: seconds, unit: 's', note })
    }
    await reader.close()
    const bundle = join(dir, 'out.bundle')
    const timed = async (metric: string, note: string, work: () => ReturnType<typeof verifyLedger>): Promise<Metric> => {
      const cpu = process.cpuUsage()
      const from = performance.now()
      const { verdict, explanation } = await work()
      if (verdict !== 'valid') throw new Error(`the bundle is ${verdict}: ${explanation}`)
      const value = (performance.now() - from) / 1000
      const { user, system } = process.cpuUsage(cpu)
      return { metric, value, unit: 's', note: `${note}; ${((user + system) / 1e6).toFixed(2)} CPU-s` }
    }
    const verify = () => verifyLedger(bundle, { vkey })
    await verify()
    metrics.push(await timed('ledger.bundle_verify_s', 'a bundle of the same log', verify))
    const take = () => importBundle({ bundle, into: join(dir, 'taken'), vkey })
    metrics.push(await timed('ledger.bundle_import_s', 'the form of every entry, tiles, and a copy', take))
    return metrics
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, entries: { type: 'string', default: '1000000' } }
  })
  const metrics = await benchExport({ entries: Number(values.entries) })
  console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
}
