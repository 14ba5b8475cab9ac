/** What every store keeps to, as tests: {@link storeContract} runs them on one. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ExecutionContext, TestFn } from 'ava'
import { errorCode, InfraFabricError, type JsonObject } from '#kernel'
import { appendItem } from '../client/append-item.ts'
import { commitTo } from '../log/commitment.ts'
import { draftEntry, draftOwnEntry, noPrevious, openEntry } from '../log/entry.ts'
import { hashLength, leafHash } from '../log/merkle.ts'
import { generateSigningKey, openCheckpoint, readSigner } from '../log/note.ts'
import { checkInclusion } from '../log/proof.ts'
import { proveInclusion } from '../log/prover.ts'
import { entriesOf } from '../log/segment.ts'
import { tileHashes, tileWidth } from '../log/tree.ts'
import { tilesOf } from '../read/tiles.ts'
import { eventNumber, origin } from '../testing/fixtures.ts'
import { type LogPlace, openLogReader, openStore, type StoreSettings } from './open.ts'
import { openSequencer, type Sequencer } from './sequencer.ts'
import type { AppendItem, Commit, LogReader, LogStore, Place } from './store.ts'

export const contractKey = generateSigningKey()
export const contractSigner = readSigner(origin, contractKey)

/** A log that is not there yet, and is gone after the test. */
export type NewLog = (t: ExecutionContext) => Promise<StoreSettings>

export const numbered = (producer: string, from: number, count: number): AppendItem[] =>
  Array.from({ length: count }, (_, at) => ({
    draft: draftEntry(eventNumber(from + at), 1_767_225_600_000 + from + at),
    key: `${producer}:${from + at}`
  }))

export async function open(t: ExecutionContext, settings: StoreSettings): Promise<LogStore> {
  const store = await openStore(settings, () => undefined)
  t.teardown(() => store.close())
  return store
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of source) list.push(item)
  return list
}

/**
 * Reads the whole log and holds it against itself: numbers, chain, segments that lie end to end, signature over the root, and the inclusion of the last
 * entry by the stored tiles.
 *
 * @returns hash of each entry, in order
 */
export async function wholeLog(t: ExecutionContext, log: LogReader): Promise<string[]> {
  const { size, lastHash, checkpoint } = await log.head()
  const hashes: string[] = []
  let prev: string = noPrevious
  for (const { first, count, data } of await all(log.segments(0, size))) {
    t.is(first, hashes.length)
    const entries = entriesOf(data)
    t.is(entries.length, count)
    for (const bytes of entries) {
      t.is(openEntry(bytes).prev, prev)
      prev = leafHash(bytes).toString('hex')
      hashes.push(prev)
    }
  }
  t.is(hashes.length, size)
  t.is(prev, lastHash)
  if (size === 0) return hashes
  const { root } = openCheckpoint(checkpoint!, contractSigner).checkpoint
  const proof = await proveInclusion(tilesOf(log), size - 1, size)
  t.true(checkInclusion(Buffer.from(lastHash, 'hex'), size - 1, size, root, proof))
  return hashes
}

/** What a writing process has said so far. */
export interface Writer {
  readonly acknowledged: Map<number, Place>
  readonly failures: string[]
  /** Resolves when so many entries are acknowledged; rejects when that takes longer than 15 s. */
  readonly reached: (count: number) => Promise<void>
  /** kill -9. */
  readonly kill: () => Promise<void>
}

/** A process of its own that appends until it is killed. */
export function startWriter(t: ExecutionContext, settings: StoreSettings, producer: string): Writer {
  const script = new URL('../testing/append-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, JSON.stringify(settings), contractKey, producer], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const acknowledged = new Map<number, Place>()
  const failures: string[] = []
  let tell = () => {}
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('! ')) failures.push(line.slice(2))
    else if (/^\d+ \d+ [0-9a-f]{64}$/.test(line)) {
      const [number, index, hash] = line.split(' ')
      acknowledged.set(Number(number), { index: Number(index), hash: hash! })
    }
    tell()
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  return {
    acknowledged,
    failures,
    kill,
    reached: (count) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`${acknowledged.size} of ${count} acknowledged: ${failures.at(-1)}`)),
          15_000
        )
        tell = () => {
          if (acknowledged.size < count) return
          clearTimeout(timer)
          resolve()
        }
        tell()
      })
  }
}

const placeOf = (settings: StoreSettings): LogPlace =>
  settings.kind === 'sqlite' ? { kind: 'sqlite', path: settings.path } : settings

/** A store whose commits fail, before they take effect or after: the answer is lost either way. */
function losing(store: LogStore, failures: ('before' | 'after' | null)[]): LogStore {
  return {
    ...store,
    commit: async (commit) => {
      const failure = failures.shift() ?? null
      const taken = failure === 'before' ? false : await store.commit(commit)
      if (failure !== null) throw new InfraFabricError('ledger.store.unanswered', 'the answer is lost')
      return taken
    }
  }
}

export function storeContract(test: TestFn, name: string, newLog: NewLog): void {
  const fresh = async (t: ExecutionContext) => {
    const settings = await newLog(t)
    const store = await open(t, settings)
    return { settings, store, sequencer: await openSequencer(store, contractSigner) }
  }

  test(`${name}: a log that is empty`, async (t) => {
    const { store } = await fresh(t)
    t.deepEqual(await store.head(), { size: 0, lastHash: noPrevious, checkpoint: null })
    t.deepEqual(await all(store.segments(0, 10)), [])
    t.deepEqual(await all(store.keysBackward(0, 10)), [])
    t.is(await store.tile(0, 0), null)
    t.is((await store.producers(['nobody'])).size, 0)
    t.is((await store.singleKeys(['none'])).size, 0)
    t.is((await store.erasable([0])).size, 0)
  })

  test(`${name}: what is committed is read again: entries, places, keys, head`, async (t) => {
    const { settings, store, sequencer } = await fresh(t)
    const places: Place[] = []
    for (const [at, count] of [1, 7, 300, 2, 500].entries())
      places.push(...(await sequencer.append(numbered('p', at * 1000, count))))
    t.deepEqual(
      places.map(({ index }) => index),
      places.map((_, at) => at)
    )
    t.deepEqual(
      await wholeLog(t, store),
      places.map(({ hash }) => hash)
    )
    const reader = await openLogReader(placeOf(settings))
    t.teardown(() => reader.close())
    t.deepEqual(await reader.head(), await store.head())
    t.deepEqual(await reader.head(), sequencer.head())
    t.deepEqual(
      await wholeLog(t, reader),
      places.map(({ hash }) => hash)
    )
  })

  test(`${name}: segments of a range, from the one that holds its first entry on`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const bounds: [number, number][] = []
    for (let at = 0; bounds.length < 90; ) {
      const count = 1 + (bounds.length % 4)
      bounds.push([at, at + count])
      await sequencer.append(numbered('p', at, count))
      at += count
    }
    const size = bounds.at(-1)![1]
    for (const [from, to] of [
      [0, size],
      [0, 1],
      [3, 4],
      [5, 100],
      [size - 1, size],
      [7, 7],
      [size, size + 5],
      [100, size + 50]
    ]) {
      t.deepEqual(
        (await all(store.segments(from!, to!))).map(({ first, count }) => [first, first + count]),
        bounds.filter(([first, end]) => from! < to! && end > from! && first < to!),
        `${from}–${to}`
      )
      t.deepEqual(
        (await all(store.keysBackward(from!, to!))).map(({ segment: { first, count }, keys }) => [first, first + count, ...keys]),
        bounds
          .filter(([first, end]) => from! < to! && end > from! && first < to!)
          .reverse()
          .map(([first, end]) => [first, end, ...numbered('p', first, end - first).map(({ key }) => key)]),
        `${from}–${to}`
      )
    }
  })

  test(`${name}: tiles are those of the tree`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const leaves: Buffer[] = []
    for (const count of [255, 1, 1, 700, 2000]) {
      for (const { hash } of await sequencer.append(numbered('p', leaves.length, count))) leaves.push(Buffer.from(hash, 'hex'))
    }
    const full = Math.floor(leaves.length / tileWidth)
    for (let index = 0; index < full; index++) {
      const tile = await store.tile(0, index)
      t.deepEqual(Buffer.from(tile!), Buffer.concat(leaves.slice(index * tileWidth, (index + 1) * tileWidth)))
    }
    t.is(await store.tile(0, full), null)
    t.is((await store.tile(1, 0))!.length, tileHashes(leaves.length, 1) * hashLength)
  })

  test(`${name}: keys: a producer that counts has one row, others one each, and each entry stands once`, async (t) => {
    const { settings, store, sequencer } = await fresh(t)
    const single = numbered('p', 0, 3).map((item, at) => ({ ...item, key: `not counted ${at}` }))
    const first = await sequencer.append([...numbered('p', 0, 5), ...single])
    await sequencer.append(numbered('other', 7, 2))
    t.deepEqual([...(await store.producers(['p', 'other', 'nobody']))].sort(), [
      ['other', { id: 'other', last: 8, firstIndex: 8, lastIndex: 9 }],
      ['p', { id: 'p', last: 4, firstIndex: 0, lastIndex: 4 }]
    ])
    t.deepEqual([...(await store.singleKeys(['not counted 1', 'p:0']))], [['not counted 1', first[6]!]])
    await store.close()
    const again = await openSequencer(await open(t, settings), contractSigner)
    t.deepEqual(await again.append([...numbered('p', 0, 5), ...single]), first)
    t.is(again.head().size, 10)
    t.is((await again.append(numbered('p', 5, 1)))[0]!.index, 10)
  })

  test(`${name}: a key that somebody planted answers for no other entry than the one that stands there`, async (t) => {
    const { settings, store } = await fresh(t)
    const [stands, other] = [0, 1].map((n) => draftEntry(eventNumber(n), 1_767_225_600_000))
    const planting = await openSequencer(
      {
        ...store,
        commit: ({ keyChanges, ...commit }) => {
          const place = { index: 0, hash: commit.head.lastHash }
          const single = ['single', 'also'].map((key) => ({ key, place }))
          return store.commit({
            ...commit,
            keys: 'p:3',
            keyChanges: {
              producers: [{ id: 'p', last: 9, firstIndex: 0, lastIndex: 0 }],
              single: [...single, { key: 'beyond', place: { ...place, index: 7 } }]
            }
          })
        }
      },
      contractSigner
    )
    const [place] = await planting.append([{ draft: stands!, key: 'x' }])
    const sequencer = await openSequencer(store, contractSigner)
    const foundAt0 =
      /was told with IF\.test test_event of trace 0{31}1, and entry 0, where the store has it, is IF\.test test_event of trace 0{32}$/
    for (const [key, message] of [
      ['single', foundAt0],
      ['p:3', foundAt0],
      ['beyond', /and entry 7, where the store has it, is not in the log$/]
    ] as const) {
      const items = [
        { draft: other!, key: 'new' },
        { draft: other!, key }
      ]
      await t.throwsAsync(sequencer.append(items), { code: 'ledger.append.key-taken', message })
    }
    t.is((await store.head()).size, 1)
    const later = draftEntry(eventNumber(0), 1_767_225_612_345)
    for (const key of ['single', 'p:3']) t.deepEqual(await sequencer.append([{ draft: later, key }]), [place])
    t.is(
      (await sequencer.append([{ draft: other!, key: 'p:4' }]))[0]!.index,
      1,
      'a number that its producer has gone past, and nobody used'
    )
    await store.close()
    const reopened = await open(t, settings)
    t.is((await wholeLog(t, reopened)).length, 2)
  })

  test(`${name}: one key for two entries of an append is refused; for one told twice it is one entry`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const [a, b] = numbered('p', 0, 2)
    await t.throwsAsync(sequencer.append([a!, { ...b!, key: a!.key }]), {
      code: 'ledger.append.key-taken',
      message: /before it, in the same append, with IF\.test test_event of trace 0{32}$/
    })
    t.is((await store.head()).size, 0)
    const places = await sequencer.append([a!, { ...a!, draft: draftEntry(eventNumber(0), 1_767_225_600_999) }])
    t.deepEqual(
      places.map(({ index }) => index),
      [0, 0]
    )
  })

  test(`${name}: what is erasable and was drafted anew is the same entry where its payload is`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const told = (payload: JsonObject): AppendItem =>
      appendItem({ event: 'E', component: 'IF.test', traceId: 't', payload: { n: 1 }, erasable: payload }, 0, 'key')
    const [place] = await sequencer.append([told({ name: 'one' })])
    t.deepEqual(await sequencer.append([told({ name: 'one' })]), [place])
    await t.throwsAsync(sequencer.append([told({ name: 'two' })]), { code: 'ledger.append.key-taken' })
    const erased = { event: 'payload_erased', payload: { entry: 0 } }
    await sequencer.appendOwn({ draft: draftOwnEntry(erased, 0), key: 'erase', erases: 0 })
    t.deepEqual(await sequencer.append([told({ name: 'one' })]), [place], 'nor is it kept again')
    t.is((await store.erasable([0, 1])).size, 0)
    t.is((await store.head()).size, 2)
  })

  test(`${name}: erasable payloads lie beside the log until they are erased`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const erasables = [0, 1].map((n) => commitTo({ said: `word ${n} and more` }).erasable)
    await sequencer.append(numbered('p', 0, 3).map((item, at) => (at < 2 ? { ...item, erasable: erasables[at]! } : item)))
    t.deepEqual(
      [...(await store.erasable([0, 1, 2]))],
      erasables.map((erasable, at) => [at, erasable])
    )
    const told = { event: 'payload_erased', payload: { entry: 0 } }
    await sequencer.appendOwn({ draft: draftOwnEntry(told, 0), key: 'erase', erases: 0 })
    t.deepEqual([...(await store.erasable([0, 1]))], [[1, erasables[1]!]])
    t.is((await wholeLog(t, store)).length, 4)
  })

  test(`${name}: nothing that a producer tells can be taken for the ledger's own word`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const forged = draftOwnEntry({ event: 'key_rotated', payload: { vkey: 'x' } }, 0)
    const [good] = numbered('p', 0, 1)
    const twice = [`{"component":"IF.test",${forged[0].slice(1)}`, forged[1], forged[2]] as const
    const likeness = [forged[0].replace('IF.witness.ledger', 'if.Witness.Ledger'), forged[1], forged[2]] as const
    for (const [draft, code] of [
      [forged, 'ledger.entry.reserved'],
      [likeness, 'ledger.entry.reserved'],
      [twice, 'ledger.entry.invalid']
    ] as const) {
      await t.throwsAsync(sequencer.append([good!, { draft, key: 'p:1' }]), { code })
    }
    await t.throwsAsync(sequencer.append([{ ...good!, erases: 0 } as AppendItem]), { code: 'ledger.entry.reserved' })
    t.is((await store.head()).size, 0)
    t.is((await sequencer.append([good!]))[0]!.index, 0)
  })

  test(`${name}: a commit made for another head writes nothing`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const commits: Commit[] = []
    const recording = await openSequencer(
      {
        ...store,
        commit: (commit) => {
          commits.push(structuredClone(commit))
          return store.commit(commit)
        }
      },
      contractSigner
    )
    await recording.append([{ ...numbered('p', 0, 1)[0]!, key: 'single' }])
    const hashes = await wholeLog(t, store)
    t.false(await store.commit(structuredClone(commits[0]!)))
    const after = { ...commits[0]!.head, lastHash: 'f'.repeat(64) }
    t.false(await store.commit(structuredClone({ ...commits[0]!, after })))
    t.false(await store.commit(structuredClone({ ...commits[0]!, after: { ...commits[0]!.head, size: 2 } })))
    t.deepEqual(await wholeLog(t, store), hashes)
    t.is((await sequencer.append(numbered('p', 1, 1)))[0]!.index, 1, 'a sequencer that was overtaken goes on')
    t.is((await wholeLog(t, store)).length, 2)
  })

  for (const failure of ['before', 'after'] as const) {
    test(`${name}: an answer lost ${failure} the commit took effect: what is appended again stands once`, async (t) => {
      const { store } = await fresh(t)
      const sequencer = await openSequencer(losing(store, [null, failure]), contractSigner)
      const first = await sequencer.append(numbered('p', 0, 4))
      const rest = [...numbered('p', 2, 4), { ...numbered('x', 0, 1)[0]!, key: 'single' }]
      await t.throwsAsync(sequencer.append(rest), { code: 'ledger.store.unanswered' })
      const places = await sequencer.append(rest)
      t.deepEqual(places.slice(0, 2), first.slice(2))
      t.deepEqual(
        places.map(({ index }) => index),
        [2, 3, 4, 5, 6]
      )
      t.deepEqual(
        await wholeLog(t, store),
        [...first, ...places.slice(2)].map(({ hash }) => hash)
      )
    })
  }

  test(`${name}: appends told at once are sealed one on top of the other, in their order`, async (t) => {
    const { store, sequencer } = await fresh(t)
    const groups = Array.from({ length: 12 }, (_, group) => numbered(group % 2 === 0 ? 'p' : 'q', group * 20, 20))
    const places = (await Promise.all(groups.map((group) => sequencer.append(group)))).flat()
    t.deepEqual(
      places.map(({ index }) => index),
      places.map((_, index) => index)
    )
    t.deepEqual(
      await wholeLog(t, store),
      places.map(({ hash }) => hash)
    )
    t.is(sequencer.head().size, 240)
    t.deepEqual(await sequencer.append(groups[3]!), places.slice(60, 80), 'and found again')
  })

  test(`${name}: two writers race: one log, each entry once`, async (t) => {
    const { settings, store, sequencer } = await fresh(t)
    const other = await openSequencer(await open(t, settings), contractSigner)
    const persist = async (writer: Sequencer, items: AppendItem[]): Promise<Place[]> => {
      for (let times = 0; times < 300; times++) {
        try {
          return [...(await writer.append(items))]
        } catch (error) {
          if (!['ledger.store.not-leader', 'ledger.store.busy'].includes(errorCode(error))) throw error
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }
      return []
    }
    const write = async (writer: Sequencer, producer: string) => {
      const places: Place[] = []
      for (let at = 0; at < 20; at++) places.push(...(await persist(writer, numbered(producer, 2 * at, 2))))
      return places
    }
    const told = write(sequencer, 'a').finally(() => (settings.kind === 'redis' ? store.close() : undefined))
    const both = (await Promise.all([told, write(other, 'b')])).flat()
    const reader = await openLogReader(placeOf(settings))
    t.teardown(() => reader.close())
    const hashes = await wholeLog(t, reader)
    t.is(hashes.length, 80)
    t.is(new Set(both.map(({ index }) => index)).size, 80)
    for (const { index, hash } of both) t.is(hashes[index], hash)
  })

  test(`${name}: kill -9 of the writing process: what it acknowledged is there, and another goes on within seconds`, async (t) => {
    const settings = await newLog(t)
    const writer = startWriter(t, settings, 'killed')
    await writer.reached(200)
    await writer.kill()
    const next = startWriter(t, settings, 'next')
    await next.reached(50)
    await next.kill()
    const reader = await openLogReader(placeOf(settings))
    t.teardown(() => reader.close())
    const hashes = await wholeLog(t, reader)
    for (const { index, hash } of [...writer.acknowledged.values(), ...next.acknowledged.values()]) t.is(hashes[index], hash)
  })
}
