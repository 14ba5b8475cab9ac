/**
 * How fast a ledger is verified: a log of `entries` entries of about 400 octets, made by the sequencer and the embedded store themselves.
 *
 *     node ledger/testing/verify-bench.ts [--json] [--entries 1000000]
 */
import { hash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { verifyLedger } from '#ledger'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { draftEntry } from '../log/entry.ts'
import { formatVerifierKey, generateSigningKey, readSigner } from '../log/note.ts'
import { eachEntry } from '../log/segment.ts'
import { openPublished } from '../store/published.ts'
import { openSequencer } from '../store/sequencer.ts'
import { openSqliteReader, openSqliteStore } from '../store/sqlite-store.ts'

const entriesOfCommit = 500
const origin = 'bench.example/witness'

const draftOf = (n: number) =>
  draftEntry(
    {
      event: 'h323_bandwidth_granted',
      component: 'IF.witness.h323',
      traceId: n.toString(16).padStart(32, '0'),
      payload: {
        callId: `${n}-0a1b2c3d@198.51.100.7`,
        endpoint: 'room-7',
        bandwidth: 20_000 + n,
        codec: 'G.722',
        note: 'x'.repeat(40)
      }
    },
    1_767_225_600_000 + n
  )

/** Makes a log of `entries` entries in `dir`, with a head published at each tenth of it, and ten thousand more when `grow` is called. */
export async function makeLog(dir: string, entries: number) {
  const signer = readSigner(origin, generateSigningKey())
  const database = join(dir, 'ledger.db')
  const publishedPath = join(dir, 'checkpoints.log')
  const store = openSqliteStore(database)
  const sequencer = await openSequencer(store, signer)
  const published = openPublished(publishedPath)
  const append = async (count: number) => {
    const from = sequencer.head().size
    for (let n = from; n < from + count; n += entriesOfCommit) {
      await sequencer.append(
        Array.from({ length: Math.min(entriesOfCommit, from + count - n) }, (_, i) => ({
          draft: draftOf(n + i),
          key: `bench:${n + i}`
        }))
      )
      if ((n - from) % (count / 10) < entriesOfCommit) published.publish(sequencer.head().checkpoint!)
    }
  }
  await append(entries)
  return {
    database,
    options: { vkey: formatVerifierKey(signer), publishedPath },
    grow: () => append(10_000),
    close: () => store.close()
  }
}

interface Cost {
  readonly wall: number
  /** Of all threads. */
  readonly cpu: number
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const cpu = process.cpuUsage()
  const from = performance.now()
  await work()
  const wall = (performance.now() - from) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return { wall, cpu: (user + system) / 1e6 }
}

const least = (costs: readonly Cost[]): Cost => costs.reduce((best, cost) => (cost.wall < best.wall ? cost : best))

/** Hashes the octets of every entry once, in the quickest way Node has: CPU seconds of the hashing alone. */
async function hashOnce(database: string, entries: number): Promise<number> {
  const reader = openSqliteReader(database)
  let seconds = 0
  try {
    for await (const { data } of reader.segments(0, entries)) {
      const from = process.cpuUsage()
      eachEntry(data, (_, start, end) => hash('sha256', data.subarray(start, end)))
      const { user, system } = process.cpuUsage(from)
      seconds += (user + system) / 1e6
    }
  } finally {
    await reader.close()
  }
  return seconds
}

export async function benchVerify({ entries = 1_000_000, runs = 3 } = {}): Promise<Metric[]> {
  const dir = mkdtempSync(join(tmpdir(), 'verify-bench-'))
  try {
    const log = await makeLog(dir, entries)
    const verified = async (options: Parameters<typeof verifyLedger>[1]) => {
      const result = await verifyLedger(log.database, options)
      if (result.verdict !== 'valid') throw new Error(`the log of the benchmark is ${result.verdict}: ${result.explanation}`)
      return result
    }
    const costs: Cost[] = []
    const hashing: number[] = []
    const repeat = Array.from({ length: runs })
    for (const _ of repeat) {
      costs.push(await costOf(async () => void (await verified(log.options))))
      hashing.push(await hashOnce(log.database, entries))
    }
    const one = least(costs)
    const base = Math.min(...hashing)
    const form = await costOf(async () => void (await verified({ ...log.options, depth: 'form' })))
    const { state } = await verified(log.options)
    await log.grow()
    const grown: Cost[] = []
    for (const _ of repeat) grown.push(await costOf(async () => void (await verified({ ...log.options, from: state! }))))
    await log.close()
    const what = `${entries} entries`
    return [
      { metric: 'ledger.verify_1m_s', value: one.wall, unit: 's', note: `${what}: hashes, chain, tree, heads; best of ${runs}` },
      { metric: 'ledger.verify_1m_cpu_s', value: one.cpu, unit: 's', note: 'CPU time of the same, all threads' },
      {
        metric: 'ledger.verify_ratio_to_sha256',
        value: one.cpu / base,
        unit: '',
        note: `its CPU time to hashing each entry once (${base.toFixed(2)} CPU-s)`
      },
      {
        metric: 'ledger.verify_all_1m_s',
        value: form.wall,
        unit: 's',
        note: `as well, the form of every entry; ${form.cpu.toFixed(2)} CPU-s`
      },
      {
        metric: 'ledger.verify_incremental_ms',
        value: least(grown).wall * 1000,
        unit: 'ms',
        note: `10000 new entries behind ${what}; best of ${runs}`
      },
      {
        metric: 'ledger.verify_rss_mib',
        value: process.resourceUsage().maxRSS / 1024,
        unit: 'MiB',
        note: 'most memory used, making of the log included'
      }
    ]
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, entries: { type: 'string', default: '1000000' } }
  })
  const metrics = await benchVerify({ entries: Number(values.entries) })
  console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
}
