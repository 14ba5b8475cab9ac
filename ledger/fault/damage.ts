/**
 * Files that are cut short or have a bit flipped, at random places: database, journal, published heads, keys, spool, append-only file. Whatever was changed is told
 * by its name, repaired or refused; what is accepted says the same as before.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { InfraFabricError, silentLog, systemClock } from '#kernel'
import { createWitness, type Ledger, ledgerFiles, openLedger, verifyLedger } from '#ledger'
import { entriesOf } from '../log/segment.ts'
import { openReader } from '../read/open-reader.ts'
import { indexPathOf } from '../read/reader.ts'
import { openSeatState } from '../seat/seat-state.ts'
import { addToken, readTokens } from '../service/tokens.ts'
import { type LogPlace, openLogReader } from '../store/open.ts'
import { durable, type RedisServer, startRedis } from '../testing/redis-server.ts'
import { checkIndex } from '../verify/index-check.ts'
import { origin, type RunOptions } from './kills.ts'
import { loadItem, traceId } from './load.ts'
import { newTally, type Tally } from './oracle.ts'
import { randomFrom } from './random.ts'

/** More than a tile, so that full ones are there. */
const entries = 600
const withinMs = 20_000

/** A whole log, and what somebody outside keeps of it. */
interface Whole {
  readonly dir: string
  /** Files that are spoiled, by their paths in the folder. */
  readonly files: readonly string[]
  readonly vkey: string
  readonly held: string
  readonly told: string
}

export interface Damage extends Tally {
  /** Rounds in which the damage was told or refused; in the others it changed nothing that is told. */
  seen: number
}

type Random = () => number

/** Flips a bit of the file, or cuts it short. @returns what was done, in words */
function spoil(path: string, random: Random): string {
  const whole = readFileSync(path)
  const at = Math.floor(random() * whole.length)
  if (random() < 0.4) {
    truncateSync(path, at)
    return `${basename(path)} cut short to ${at} of ${whole.length} octets`
  }
  const bit = Math.floor(random() * 8)
  whole[at]! ^= 1 << bit
  writeFileSync(path, whole)
  return `${basename(path)} with bit ${bit} of octet ${at} of ${whole.length} flipped`
}

const textOf = async (place: LogPlace): Promise<string> => {
  const reader = await openLogReader(place)
  try {
    const { size } = await reader.head()
    let text = ''
    for await (const { data } of reader.segments(0, size)) for (const entry of entriesOf(data)) text += `${Buffer.from(entry)}\n`
    return text
  } finally {
    await reader.close()
  }
}

const append = async (ledger: Ledger, producer: string, count: number): Promise<void> => {
  for (let at = 0; at < count; at += 50)
    await ledger.append(
      Array.from({ length: Math.min(50, count - at) }, (_, more) => loadItem(producer, at + more)),
      0
    )
}

const within = <T>(work: Promise<T>): Promise<T> => {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`not within ${withinMs} ms`)), withinMs)
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer))
}

/** What a word of the verifier, or of who opens the log, is counted as. */
async function wordOf(work: () => Promise<string>): Promise<string> {
  try {
    return await within(work())
  } catch (error) {
    return error instanceof InfraFabricError && error.code.startsWith('ledger.')
      ? error.code
      : `no name of ours: ${String(error)}`
  }
}

/**
 * Asks the verifier, lets a writer go on, and asks the verifier again.
 *
 * @returns whether the damage was seen; adds to `tally` what was accepted though it is not what it was
 */
async function judge(whole: Whole, store: 'sqlite' | RedisServer, dir: string, what: string, tally: Tally): Promise<boolean> {
  const { database, published } = ledgerFiles(dir)
  const place: LogPlace =
    store === 'sqlite' ? { kind: 'sqlite', path: database } : { kind: 'redis', url: store.url, logName: origin }
  const verdict = () =>
    wordOf(async () => {
      const options = { vkey: whole.vkey, pinned: [whole.held], publishedPath: published, depth: 'form', beside: {} } as const
      return (await verifyLedger(store === 'sqlite' ? database : store.url, options)).verdict
    })
  const same = async () => (await wordOf(() => textOf(place))).startsWith(whole.told)
  const fault = (words: string) => {
    tally.invalid++
    if (tally.problems.length < 20) tally.problems.push(`${what}: ${words}`)
  }

  const before = await verdict()
  if (before === 'valid' && !(await same())) fault('the verifier takes it for the whole log')
  const writing = await wordOf(async () => {
    const settings = store === 'sqlite' ? {} : { store: { kind: 'redis' as const, url: store.url, leaseMs: 300 } }
    const ledger = await openLedger({ dir, origin, log: silentLog, ...settings })
    try {
      await append(ledger, 'later', 3)
    } finally {
      await ledger.close()
    }
    return 'written'
  })
  const after = await verdict()
  if (after === 'valid' && !(await same())) fault(`a writer went on (${writing}), and the verifier takes it for the whole log`)
  // its heads were published, and one thing is spoiled at a time
  if (before === 'truncated' && writing === 'written') fault('a writer went on though entries are missing that were published')
  if (after === 'forked') fault(`a writer went on from it (${writing}), and forked the log; before, it was ${before}`)
  for (const word of [before, writing, after]) if (word.startsWith('no name')) fault(word)
  return before !== 'valid' || writing !== 'written' || after !== 'valid'
}

/** A closed log whose key has changed, and one whose journal was left behind by a writer that was killed. */
async function wholeInSqlite(scratch: string, left: 'closed' | 'killed'): Promise<Whole> {
  const made = join(scratch, `${left}-made`)
  const dir = join(scratch, left)
  const ledger = await openLedger({ dir: made, origin, log: silentLog, publishIntervalMs: 0 })
  await append(ledger, 'a', entries)
  if (left === 'closed') {
    await ledger.rotateKey()
    await append(ledger, 'b', 50)
    await ledger.close()
  }
  // files of the index come and go meanwhile
  cpSync(made, dir, { recursive: true, filter: (path) => !basename(path).startsWith('index.db') })
  await ledger.close()
  // its heads were published, as those of the closed one are
  cpSync(ledgerFiles(made).published, ledgerFiles(dir).published)
  for (const name of readdirSync(dir)) if (name.endsWith('-shm')) rmSync(join(dir, name))
  const whole = {
    dir,
    vkey: ledger.vkey,
    held: lastHead(dir),
    told: await textOf({ kind: 'sqlite', path: ledgerFiles(made).database })
  }
  return { ...whole, files: filesIn(dir) }
}

const lastHead = (dir: string): string =>
  JSON.parse(readFileSync(ledgerFiles(dir).published, 'utf8').trim().split('\n').at(-1)!) as string

const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => relative(dir, join(file.parentPath, file.name)))
    .sort()

export async function spoilSqlite({ runs, seed, onRun, signal }: RunOptions): Promise<Damage> {
  const random = randomFrom(seed)
  const tally: Damage = { ...newTally(), seen: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-spoil-'))
  try {
    const logs = [await wholeInSqlite(scratch, 'closed'), await wholeInSqlite(scratch, 'killed')]
    const dir = join(scratch, 'spoiled')
    for (let run = 0; run < runs; run++) {
      signal?.throwIfAborted()
      const whole = logs[run % logs.length]!
      cpSync(whole.dir, dir, { recursive: true })
      const what = spoil(join(dir, whole.files[Math.floor(random() * whole.files.length)]!), random)
      if (await judge(whole, 'sqlite', dir, what, tally)) tally.seen++
      rmSync(dir, { recursive: true, force: true })
      onRun?.(run + 1)
    }
    return tally
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The append-only file of redis-server. A server that does not start on it has refused it. */
export async function spoilRedis({ runs, seed, onRun, signal }: RunOptions): Promise<Damage> {
  const random = randomFrom(seed)
  const tally: Damage = { ...newTally(), seen: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-spoil-'))
  const server = (data: string) => startRedis([...durable, '--dir', data])
  try {
    const made = join(scratch, 'made')
    const dir = join(scratch, 'writer')
    mkdirSync(made)
    const redis = await server(made)
    const store = { kind: 'redis', url: redis.url, leaseMs: 300 } as const
    const ledger = await openLedger({ dir, origin, log: silentLog, store })
    await append(ledger, 'a', entries)
    await ledger.close()
    const told = await textOf({ kind: 'redis', url: redis.url, logName: origin })
    await redis.stop()
    const whole = { dir, vkey: ledger.vkey, held: lastHead(dir), told, files: filesIn(made) }
    const [data, folder] = [join(scratch, 'data'), join(scratch, 'folder')]
    for (let run = 0; run < runs; run++) {
      signal?.throwIfAborted()
      cpSync(made, data, { recursive: true })
      cpSync(dir, folder, { recursive: true })
      const what = spoil(join(data, whole.files.find((file) => file.endsWith('.incr.aof'))!), random)
      const spoiled = await server(data).catch(() => null)
      if (spoiled === null || (await judge(whole, spoiled, folder, what, tally))) tally.seen++
      await spoiled?.stop()
      for (const used of [data, folder]) rmSync(used, { recursive: true, force: true })
      onRun?.(run + 1)
    }
    return tally
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Files beside the log that nothing signs: each is read again by `read`, which gives what it says as text. */
async function besideLog(dir: string): Promise<readonly { readonly name: string; readonly read: () => Promise<string> }[]> {
  const { database, tokens } = ledgerFiles(dir)
  const seat = join(dir, 'seat.db')
  const indexed = async (): Promise<string> => {
    const told = await checkIndex({ path: database, origin }, indexPathOf(database))
    const reader = await openReader(dir)
    try {
      const found = await Promise.all(
        [{ component: 'IF.fault' }, { event: 'load' }, { trace: traceId }, { since: 0 }].map((filter) =>
          reader.query({ ...filter, limit: entries + 50 })
        )
      )
      const text = found.map((stored) => stored.map(({ entry }) => entry.index).join()).join('\n')
      // `verify --all` tells of an index that hides entries
      if (told !== null) throw new InfraFabricError('ledger.index', told)
      return text
    } finally {
      await reader.close()
    }
  }
  return [
    { name: basename(tokens), read: async () => JSON.stringify(readTokens(tokens)) },
    {
      name: basename(seat),
      read: async () => {
        const state = openSeatState(seat, false)
        try {
          return JSON.stringify(state.head(origin))
        } finally {
          state.close()
        }
      }
    },
    { name: basename(indexPathOf(database)), read: indexed }
  ]
}

/** Tokens of the service, the memory of a seat, the index: read again after they were spoiled, they say the same, or that they are spoiled. */
export async function spoilBeside({ runs, seed, onRun, signal }: RunOptions): Promise<Damage> {
  const random = randomFrom(seed)
  const tally: Damage = { ...newTally(), seen: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-spoil-'))
  try {
    const made = join(scratch, 'made')
    const ledger = await openLedger({ dir: made, origin, log: silentLog })
    await append(ledger, 'a', entries)
    await ledger.reader.query({ component: 'IF.fault', limit: 1 })
    await ledger.close()
    for (const [at, role] of (['producer', 'auditor', 'admin'] as const).entries())
      addToken(ledgerFiles(made).tokens, `token-${at}`, role, at)
    const state = openSeatState(join(made, 'seat.db'), true)
    for (let size = 1; size <= 3; size++)
      state.advance(origin, state.head(origin), { size, root: Buffer.alloc(32, size).toString('base64'), timeS: size })
    state.close()
    const dir = join(scratch, 'spoiled')
    const files = await besideLog(made)
    const truth = await Promise.all(files.map(({ read }) => read()))
    for (let run = 0; run < runs; run++) {
      signal?.throwIfAborted()
      cpSync(made, dir, { recursive: true })
      const number = run % files.length
      const { name, read } = (await besideLog(dir))[number]!
      const what = spoil(join(dir, name), random)
      let said = ''
      const word = await wordOf(async () => {
        said = await read()
        return 'read'
      })
      if (word !== 'read') tally.seen++
      else if (said !== truth[number]) {
        tally.invalid++
        if (tally.problems.length < 20) tally.problems.push(`${what}: taken for the whole file`)
      }
      if (word.startsWith('no name')) {
        tally.invalid++
        if (tally.problems.length < 20) tally.problems.push(`${what}: ${word}`)
      }
      rmSync(dir, { recursive: true, force: true })
      onRun?.(run + 1)
    }
    return tally
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const spooled = 20

/** The spool of a process that was killed: the next one delivers what is whole, in order, and tells of the rest. */
export async function spoilSpool({ runs, seed, onRun, signal }: RunOptions): Promise<Damage> {
  const random = randomFrom(seed)
  const tally: Damage = { ...newTally(), seen: 0 }
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-spoil-'))
  const witnessOver = (ledger: Pick<Ledger, 'append'>, spoolDir: string) =>
    createWitness({ ledger, spoolDir, clock: systemClock, log: silentLog, retryMs: [20, 100] })
  try {
    const made = join(scratch, 'made')
    const shut = { append: () => Promise.reject(new InfraFabricError('ledger.store.io', 'shut')) }
    const first = await witnessOver(shut, made)
    for (let n = 0; n < spooled; n++) await first.record({ event: 'load', component: 'IF.fault', traceId, payload: { n } })
    await first.close()
    const name = readdirSync(made)[0]!
    for (let run = 0; run < runs; run++) {
      signal?.throwIfAborted()
      const dir = join(scratch, String(run))
      const spoolDir = join(dir, 'spool')
      cpSync(made, spoolDir, { recursive: true })
      const what = spoil(join(spoolDir, name), random)
      const kept = readFileSync(join(spoolDir, name)).toString('latin1')
      const ledger = await openLedger({ dir, origin, log: silentLog })
      const witness = await witnessOver(ledger, spoolDir)
      const outcome = await wordOf(async () => {
        await witness.flush(withinMs)
        const events = (await ledger.reader.query({ limit: 1000 })).map(({ entry }) => entry)
        const numbers = events.filter(({ event }) => event === 'load').map(({ payload }) => payload.n as number)
        const inOrder = numbers.every((n, at) => at === 0 || n > numbers[at - 1]!)
        if (!inOrder) return 'no name of ours: out of order or twice'
        const told = events.some(({ event }) => event === 'witness_spool_spoiled')
        // cut between two lines, nothing shows
        if (numbers.length < spooled && !told && !kept.endsWith('\n') && kept !== '')
          return 'no name of ours: entries are missing, untold'
        return told ? 'told' : 'whole'
      })
      await witness.close()
      await ledger.close()
      if (outcome.startsWith('no name')) {
        tally.invalid++
        if (tally.problems.length < 20) tally.problems.push(`${what}: ${outcome}`)
      }
      if (outcome !== 'whole') tally.seen++
      rmSync(dir, { recursive: true, force: true })
      onRun?.(run + 1)
    }
    return tally
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
