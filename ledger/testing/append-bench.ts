/**
 * How fast a ledger takes entries: durable, chained, in the tree and under a signed checkpoint before they are acknowledged.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import { newTraceId, silentLog } from '#kernel'
import { type AppendItem, draftEntry, type Ledger, type LedgerStore, openLedger } from '#ledger'
import { quantile } from '#scripts/bench/report.ts'
import { openEntry } from '../log/entry.ts'
import { hashLength } from '../log/merkle.ts'
import { entriesOf } from '../log/segment.ts'
import { GrowingTree, type Tile } from '../log/tree.ts'
import { joinKeys, keyChanges, numberedKeys, type Producer } from '../store/keys.ts'
import type { Head, LogReader } from '../store/store.ts'
import { durable, startRedis } from './redis-server.ts'

const origin = 'bench.example/witness'
const producers = 64
/** Entries a second while their latency is measured. */
export const latencyRate = 20_000
/** How long the producers rest before they look at the clock again. */
const restMs = 0.2

const keyOf = (producer: number, number: number): string => `producer-${producer}:${number}`

/** An entry of about 400 octets, as calls make them. */
function item(producer: number, number: number): AppendItem {
  const payload = {
    callId: `${producer}-${number}@bench.example`,
    from: 'sip:council@bench.example',
    to: 'sip:expert@bench.example',
    cseq: number
  }
  const event = { event: 'INVITE', component: 'IF.proxy', traceId: newTraceId(), payload }
  return { draft: draftEntry(event, 1_767_225_600_000 + number), key: keyOf(producer, number) }
}

export interface AppendFound {
  /** Entries acknowledged in a second, from 64 producers at once. */
  readonly entriesPerSecond: number
  /** The same commits written bare, one after another: the same rows (fields of the hashes, stream entries) with the same octets, each commit one durable write. Entries in a second. */
  readonly barePerSecond: number
  /** The same octets, each commit one value in one durable write: entries in a second. */
  readonly valuesPerSecond: number
  /** Of the first to the second. */
  readonly ratio: number
  readonly entries: number
  readonly commits: number
}

/** What a commit writes, ready made. */
interface BareCommit {
  readonly first: number
  readonly count: number
  readonly data: Buffer
  readonly keys: string
  readonly tiles: readonly Tile[]
  readonly producers: readonly Producer[]
  readonly head: Head
}

/** A store and the ways to write bare to one of its kind, each in one durable write. */
interface Bench {
  readonly store: LedgerStore
  readonly dir: string
  readonly rows: (commit: BareCommit) => Promise<void> | void
  readonly value: (octets: Buffer) => Promise<void> | void
  readonly end: () => Promise<void>
}

const opened: Record<LedgerStore['kind'], () => Promise<Bench>> = {
  sqlite: async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-ledger-'))
    const database = new DatabaseSync(join(dir, 'bare.db'))
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -65536;
      CREATE TABLE value (id INTEGER PRIMARY KEY, data BLOB);
      CREATE TABLE segment (first INTEGER PRIMARY KEY, count INTEGER, data BLOB, keys TEXT);
      CREATE TABLE tile (level INTEGER, position INTEGER, hashes BLOB, PRIMARY KEY (level, position)) WITHOUT ROWID;
      CREATE TABLE producer (id TEXT PRIMARY KEY, last INTEGER, first_idx INTEGER, last_idx INTEGER) WITHOUT ROWID;
      CREATE TABLE head (id INTEGER PRIMARY KEY, size INTEGER, last_hash TEXT, checkpoint TEXT)
    `)
    const insertValue = database.prepare('INSERT INTO value (data) VALUES (?)')
    const insertSegment = database.prepare('INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?)')
    const insertTile = database.prepare('INSERT OR REPLACE INTO tile VALUES (?, ?, ?)')
    const insertProducer = database.prepare('INSERT OR REPLACE INTO producer VALUES (?, ?, ?, ?)')
    const writeHead = database.prepare('INSERT OR REPLACE INTO head VALUES (0, ?, ?, ?)')
    return {
      store: { kind: 'sqlite' },
      dir,
      rows: ({ first, count, data, keys, tiles, producers: changed, head }) => {
        database.exec('BEGIN IMMEDIATE')
        insertSegment.run(first, count, data, keys)
        for (const { level, index, hashes } of tiles) insertTile.run(level, index, hashes)
        for (const { id, last, firstIndex, lastIndex } of changed) insertProducer.run(id, last, firstIndex, lastIndex)
        writeHead.run(head.size, head.lastHash, head.checkpoint)
        database.exec('COMMIT')
      },
      value: (octets) => void insertValue.run(octets),
      end: async () => {
        database.close()
        rmSync(dir, { recursive: true, force: true })
      }
    }
  },
  redis: async () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-ledger-'))
    // to write the append-only file anew takes the server a core, now in the one way to write and now in the other
    const server = await startRedis([...durable, '--auto-aof-rewrite-percentage', '0'])
    const client = new Redis({ path: server.socket })
    return {
      store: { kind: 'redis', url: server.url },
      dir,
      rows: async ({ count, data, keys, tiles, producers: changed, head }) => {
        await client
          .multi()
          .xadd('segments', '*', 'count', count, 'data', data, 'keys', keys)
          .hset('head', 'size', head.size, 'lastHash', head.lastHash, 'checkpoint', head.checkpoint!)
          .hset('tiles', ...tiles.flatMap(({ level, index, hashes }) => [`${level}/${index}`, Buffer.from(hashes)]))
          .hset(
            'producers',
            ...changed.flatMap(({ id, last, firstIndex, lastIndex }) => [id, `${last} ${firstIndex} ${lastIndex}`])
          )
          .exec()
      },
      value: async (octets) => void (await client.xadd('bare', '*', 'data', octets)),
      end: async () => {
        client.disconnect()
        await server.stop()
        rmSync(dir, { recursive: true, force: true })
      }
    }
  }
}

/** What the ledger wrote in its last commits, from entry `from` on, read again: the tiles by their places and lengths, not their hashes. */
async function commitsOf(log: LogReader, from: number): Promise<BareCommit[]> {
  const head = await log.head()
  const leaf = Buffer.alloc(hashLength)
  const tree = new GrowingTree()
  for (let leaves = 0; leaves < from; leaves++) tree.append(leaf)
  tree.takeTiles()
  const commits: BareCommit[] = []
  for await (const { first, count, data } of log.segments(from, head.size)) {
    const keys = entriesOf(data).map((entry) => {
      const [producer, number] = String(openEntry(entry).payload.callId).split(/[-@]/)
      return keyOf(Number(producer), Number(number))
    })
    for (let leaves = 0; leaves < count; leaves++) tree.append(leaf)
    commits.push({
      first,
      count,
      data: Buffer.from(data),
      keys: joinKeys(keys),
      tiles: tree.takeTiles(),
      producers: keyChanges(keys, numberedKeys(keys), first, (at) => ({ index: first + at, hash: head.lastHash }), new Map())
        .producers,
      head
    })
  }
  return commits
}

const octetsOf = ({ data, keys, tiles }: BareCommit): Buffer =>
  Buffer.concat([data, Buffer.from(keys), ...tiles.map(({ hashes }) => hashes)])

/** Entries in a second when every commit is written by `write`, one after another. */
async function rateOf(commits: readonly BareCommit[], write: (commit: BareCommit) => Promise<void> | void): Promise<number> {
  collect()
  const begun = performance.now()
  let entries = 0
  for (const commit of commits) {
    await write(commit)
    entries += commit.count
  }
  return (entries * 1000) / (performance.now() - begun)
}

const slices = 5
/** Slices appended before the first that counts: until then V8 compiles what the threads run. */
const warmSlices = 2

/** What the benchmark itself has thrown away is collected before a clock starts: entries made ready, commits read again. `node --expose-gc`. */
const collect = (): void => {
  if (globalThis.gc === undefined) throw new Error('to be run with node --expose-gc')
  void globalThis.gc()
}
const median = (values: readonly number[]): number => quantile(values, 0.5)

/**
 * Appends `entries` from 64 producers, a fifth at a time, and after each fifth writes the same commits bare: what else the machine does meanwhile
 * falls on both. The figures are medians of the fifths.
 *
 * @param entries rounded up to whole batches
 * @param batch entries that a producer hands over at a time, and waits for
 */
export async function benchAppend(kind: LedgerStore['kind'], entries = 200_000, batch = 32): Promise<AppendFound> {
  const { store, dir, rows, value, end } = await opened[kind]()
  let ledger: Ledger | null = null
  try {
    ledger = await openLedger({ dir, origin, store, log: silentLog })
    const open = ledger
    const rounds = Math.ceil(entries / producers / batch / slices)
    const perSecond = async (from: number, to: number): Promise<number> => {
      const all = Array.from({ length: producers }, (_, producer) =>
        Array.from({ length: to - from }, (_, round) =>
          Array.from({ length: batch }, (_, at) => item(producer, (from + round) * batch + at))
        )
      )
      collect()
      const begun = performance.now()
      await Promise.all(
        all.map(async (own) => {
          for (const items of own) await open.append(items, 1)
        })
      )
      return ((to - from) * producers * batch * 1000) / (performance.now() - begun)
    }
    const warm = warmSlices * rounds
    for (let slice = 0; slice < warmSlices; slice++) await perSecond(slice * rounds, (slice + 1) * rounds)
    const found: { own: number; bare: number; value: number }[] = []
    let written = 0
    for (let slice = 0; slice < slices; slice++) {
      const from = warm + slice * rounds
      const before = await open.reader.log.head()
      const own = await perSecond(from, from + rounds)
      const commits = await commitsOf(open.reader.log, before.size)
      if (slice === 0) await rateOf(commits, rows)
      const bare = await rateOf(commits, rows)
      const values = new Map(commits.map((commit) => [commit, octetsOf(commit)]))
      found.push({ own, bare, value: await rateOf(commits, (commit) => value(values.get(commit)!)) })
      written += commits.length
    }
    return {
      entries: rounds * slices * producers * batch,
      commits: written,
      entriesPerSecond: median(found.map(({ own }) => own)),
      barePerSecond: median(found.map(({ bare }) => bare)),
      valuesPerSecond: median(found.map((each) => each.value)),
      ratio: median(found.map(({ own, bare }) => own / bare))
    }
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
    const warmUp = latencyRate
    const total = latencyRate * seconds + warmUp
    const taken = new Float64Array(latencyRate * seconds)
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
      // a thread that only looks at the clock would take the ledger's threads one of two cores
      Atomics.wait(rest, 0, 0, restMs)
      const due = Math.min(total, Math.floor(((performance.now() - begun) * latencyRate) / 1000))
      for (; next < due; next++) {
        const number = next
        const dueMs = begun + (number * 1000) / latencyRate
        open.append([item(number % producers, Math.floor(number / producers))], 1).then(() => answered(number, dueMs), reject)
      }
      // what was told goes on its way in the turn before the next rest
      if (next < total) setImmediate(tick)
    }
    tick()
    await allAnswered
    return [...taken]
  } finally {
    await ledger?.close()
    await end()
  }
}

/** What 20,000 entries a second are when one durable write follows the other and takes 2 ms. */
const syncedOctets = 40 * 400
/** Writes go over the same octets again, as those of a write-ahead log of constant length. */
const syncedFileOctets = 256 * syncedOctets

/** What the disk itself takes to write and sync as much as a commit, one after another, milliseconds each: below that no acknowledgement can be. */
export function benchSync(seconds = 2): number[] {
  const dir = mkdtempSync(join(tmpdir(), 'bench-ledger-'))
  const file = openSync(join(dir, 'synced'), 'w')
  try {
    const octets = Buffer.alloc(syncedOctets, 'x')
    for (let at = 0; at < syncedFileOctets; at += syncedOctets) writeSync(file, octets, 0, syncedOctets, at)
    fdatasyncSync(file)
    const taken: number[] = []
    const end = performance.now() + seconds * 1000
    for (let at = 0, now = performance.now(); now < end; at = (at + syncedOctets) % syncedFileOctets) {
      writeSync(file, octets, 0, syncedOctets, at)
      fdatasyncSync(file)
      const before = now
      now = performance.now()
      taken.push(now - before)
    }
    return taken
  } finally {
    closeSync(file)
    rmSync(dir, { recursive: true, force: true })
  }
}
