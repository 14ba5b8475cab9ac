/**
 * What memory the service takes, and whether it grows with the log: the resident set of a process that serves it, after it has answered requests of every
 * kind at places all over the log.
 *
 *     node ledger/testing/memory-bench.ts [--json] [--entries 1000000]
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { silentLog } from '#kernel'
import { ledgerFiles, openReader, serveLedger, serviceTokens } from '#ledger'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { makeLog } from './verify-bench.ts'

const self = fileURLToPath(import.meta.url)
const small = 10_000
const requests = 3000

/** The process that is measured. */
async function serve(dir: string): Promise<void> {
  const rate = { perSecond: 100_000, burst: 100_000 }
  const { port } = await serveLedger({
    dir,
    reader: await openReader(dir),
    append: null,
    log: silentLog,
    addressRate: rate,
    tokenRate: rate
  })
  process.stdout.write(`${port}\n`)
}

const mebibytes = (pid: number, field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

/** Resident memory of a service over a log of `entries` entries, in MiB: in the end, and at most. */
async function measure(entries: number): Promise<{ readonly now: number; readonly most: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'memory-bench-'))
  let child: ChildProcess | null = null
  try {
    const log = await makeLog(dir, entries)
    await log.close()
    const { addToken } = await serviceTokens()
    const { token } = addToken(ledgerFiles(dir).tokens, 'bench', 'auditor', Date.now())
    child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', self, '--serve', dir], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const [port] = await once(createInterface({ input: child.stdout! }), 'line')
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token}` } })
      if (answer.status !== 200) throw new Error(`${path}: status ${answer.status}`)
      await answer.arrayBuffer()
    }
    for (let n = 0; n < requests; n++) {
      const index = (n * 7_919_993 + 17) % entries
      const tile = String(Math.floor(index / 256) % Math.floor(entries / 256)).padStart(3, '0')
      const place = tile.length > 3 ? `x${tile.slice(0, -3).padStart(3, '0')}/${tile.slice(-3)}` : tile
      await get(
        [
          `/v1/proof/inclusion?index=${index}&size=${entries}`,
          `/v1/proof/consistency?from=${index + 1}&to=${entries}`,
          `/v1/entries/${index}`,
          `/v1/entries?component=IF.witness.h323&limit=100`,
          `/v1/traces/${index.toString(16).padStart(32, '0')}`,
          `/tile/0/${place}`,
          `/tile/entries/${place}`
        ][n % 7]!
      )
    }
    return { now: mebibytes(child.pid!, 'VmRSS'), most: mebibytes(child.pid!, 'VmHWM') }
  } finally {
    if (child !== null && child.exitCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(dir, { recursive: true, force: true })
  }
}

export async function benchMemory(entries = 1_000_000): Promise<Metric[]> {
  const before = await measure(small)
  const after = await measure(entries)
  return [
    {
      metric: 'ledger.service_rss_mib',
      value: after.now,
      unit: 'MiB',
      note: `resident, after ${requests} requests, at most ${after.most.toFixed(0)}; ${entries} entries`
    },
    {
      metric: 'ledger.service_rss_growth',
      value: after.now / before.now,
      unit: '1',
      note: `to the same with ${small} entries: ${before.now.toFixed(0)} MiB, at most ${before.most.toFixed(0)}`
    }
  ]
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      entries: { type: 'string', default: '1000000' },
      serve: { type: 'string' }
    }
  })
  if (values.serve !== undefined) await serve(values.serve)
  else {
    const metrics = await benchMemory(Number(values.entries))
    console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
  }
}
