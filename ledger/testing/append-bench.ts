/**
 * How fast a ledger takes entries: durable, chained, in the tree and under a signed checkpoint before they are acknowledged.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import { newTraceId, silentLog } from '#kernel'
import { type AppendItem, draftEntry, type Ledger, type LedgerStore, openLedger } from '#ledger'
import { hashLength } from '../log/merkle.ts'
import { entriesOf } from '../log/segment.ts'
import type { Segment } from '../store/store.ts'
import { startRedis } from './redis-server.ts'

const origin = 'bench.example/witness'
const producers = 64
const rate = 20_000
/** How long the producers rest before they look at the clock again. */
const restMs = 0.2

/** An entry of about 400 octets, as calls make them. */
function item(producer: number, number: number): AppendItem {
  const payload = {
    callId: `${producer}-${number}@bench.example`,
    from: 'sip:council@bench.example',
    to: 'sip:expert@bench.example',
    cseq: number
  }
  const event = { event: 'INVITE', component: 'IF.proxy', traceId: newTraceId(), payload }
  return { draft: draftEntry(event, 1_767_225_600_000 + number), key: `producer-${producer}:${number}` }
}

export interface AppendFound {
  /** Entries acknowledged in a second, from 64 producers at once. */
  readonly entriesPerSecond: number
  /**
   * As many octets in the same commits, entries, keys and hashes of leaves, each commit one value and one durable write to the same kind of store: entries
   * in a second.
   */
  readonly barePerSecond: number
  /** The same commits with each entry a row, or a stream's entry, of its own, and nothing else: entries in a second. */
  readonly rowsPerSecond: number
  readonly entries: number
  readonly commits: number
}

/** A store and the way to write bare octets to one of its kind. */
interface Bench {
  readonly store: LedgerStore
  readonly dir: string
  readonly bare: (octets: Buffer) => Promise<void> | void
  /** In one durable write. */
  readonly rows: (entries: readonly Uint8Array[]) => Promise<void> | void
  readonly end: () => Promise<void>
}

const opened: Record<LedgerStore['kind'], () => Promise<Bench>> = {
  sqlite: async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-ledger-'))
    const database = new DatabaseSync(join(dir, 'bare.db'))
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -65536;
      CREATE TABLE bare (id INTEGER PRIMARY KEY, data BLOB)
    `)
    const insert = database.prepare('INSERT INTO bare (data) VALUES (?)')
    return {
      store: { kind: 'sqlite' },
      dir,
      bare: (octets) => void insert.run(octets),
      rows: (entries) => {
        database.exec('BEGIN IMMEDIATE')
        for (const entry of entries) insert.run(entry)
        database.exec('COMMIT')
      },
      end: async () => {
        database.close()
        rmSync(dir, { recursive: true, force: true })
      }
    }
  },
  redis: async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-ledger-'))
    const server = await startRedis()
    const client = new Redis({ path: server.socket })
    return {
      store: { kind: 'redis', url: server.url },
      dir,
      bare: async (octets) => void (await client.xadd('bare', '*', 'data', octets)),
      rows: async (entries) => {
        const all = client.multi()
        for (const entry of entries) all.xadd('rows', '*', 'data', Buffer.from(entry))
        await all.exec()
      },
      end: async () => {
        client.disconnect()
        await server.stop()
        rmSync(dir, { recursive: true, force: true })
      }
    }
  }
}

/** Entries in a second when every commit is written by `write`, one after another; the first tenth of them is written once before. */
async function rateOf(commits: readonly Segment[], write: (commit: Segment) => Promise<void> | void): Promise<number> {
  for (const commit of commits.slice(0, Math.ceil(commits.length / 10))) await write(commit)
  const begun = performance.now()
  let entries = 0
  for (const commit of commits) {
    await write(commit)
    entries += commit.count
  }
  return (entries * 1000) / (performance.now() - begun)
}

/**
 * Appends `entries` from 64 producers, and writes the same commits bare.
 *
 * @param entries rounded up to whole batches
 * @param batch entries that a producer hands over at a time, and waits for
 */
export async function benchAppend(kind: LedgerStore['kind'], entries = 200_000, batch = 32): Promise<AppendFound> {
  const { store, dir, bare, rows, end } = await opened[kind]()
  let ledger: Ledger | null = null
  try {
    ledger = await openLedger({ dir, origin, store, log: silentLog })
    const open = ledger
    const rounds = Math.ceil(entries / producers / batch)
    const measure = async (from: number, to: number): Promise<number> => {
      const all = Array.from({ length: producers }, (_, producer) =>
        Array.from({ length: to - from }, (_, round) =>
          Array.from({ length: batch }, (_, at) => item(producer, (from + round) * batch + at))
        )
      )
      const begun = performance.now()
      await Promise.all(
        all.map(async (own) => {
          for (const items of own) await open.append(items, 1)
        })
      )
      return (performance.now() - begun) / 1000
    }
    const warm = Math.ceil(rounds / 10)
    await measure(0, warm)
    const seconds = await measure(warm, warm + rounds)
    const total = rounds * producers * batch
    const commits: Segment[] = []
    const { size } = await open.reader.log.head()
    for await (const { first, count, data } of open.reader.log.segments(size - total, size))
      commits.push({ first, count, data: Buffer.from(data) })
    await open.close()
    const besideEach = hashLength + item(0, rounds * batch).key.length
    const barePerSecond = await rateOf(commits, ({ count, data }) =>
      bare(Buffer.concat([data, Buffer.alloc(count * besideEach, 0x61)]))
    )
    const rowsPerSecond = await rateOf(commits, ({ data }) => rows(entriesOf(data)))
    return { entries: total, commits: commits.length, entriesPerSecond: total / seconds, barePerSecond, rowsPerSecond }
  } finally {
    await ledger?.close()
    await end()
  }
}

/**
 * Time from telling to acknowledgement at 20,000 entries a second on SQLite, milliseconds each. Open loop: entries are due by the clock, whether or not
 * earlier ones are answered, and their time counts from when they were due; to draft them is part of it, as it is for whoever tells.
 */
export async function benchLatency(seconds = 5): Promise<number[]> {
  const { store, dir, end } = await opened.sqlite()
  let ledger: Ledger | null = null
  try {
    ledger = await openLedger({ dir, origin, store, log: silentLog })
    const open = ledger
    const warmUp = rate
    const total = rate * seconds + warmUp
    const taken = new Float64Array(rate * seconds)
    const { promise: allAnswered, resolve, reject } = Promise.withResolvers<void>()
    let waiting = total
    const answered = (number: number, dueMs: number) => {
      if (number >= warmUp) taken[number - warmUp] = performance.now() - dueMs
      if (--waiting === 0) resolve()
    }
    const rest = new Int32Array(new SharedArrayBuffer(4))
    const begun = performance.now()
    let next = 0
    const tick = () => {
      const due = Math.min(total, Math.floor(((performance.now() - begun) * rate) / 1000))
      for (; next < due; next++) {
        const number = next
        const dueMs = begun + (number * 1000) / rate
        open.append([item(number % producers, Math.floor(number / producers))], 1).then(() => answered(number, dueMs), reject)
      }
      if (next === total) return
      // a thread that only looks at the clock would take the ledger's threads one of two cores
      Atomics.wait(rest, 0, 0, restMs)
      setImmediate(tick)
    }
    tick()
    await allAnswered
    return [...taken]
  } finally {
    await ledger?.close()
    await end()
  }
}
