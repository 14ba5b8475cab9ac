import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { errorCode, InfraFabricError } from '#kernel'
import { scratch } from '../testing/fixtures.ts'
import { contractSigner, numbered, wholeLog } from './contract.ts'
import { openSequencer, type Sequencer } from './sequencer.ts'
import { openSqliteStore } from './sqlite-store.ts'
import type { AppendItem, Commit, LogStore, Place } from './store.ts'

/** What a store does with a commit: takes it; fails before it takes effect, or after; is beaten to it by another writer. */
type Fate = 'taken' | 'before' | 'after' | 'overtaken'

/** A store whose commits wait, one behind the other, until each is told its fate. */
function gated(t: ExecutionContext, path = join(scratch(t), 'ledger.db')) {
  const store = openSqliteStore(path, 0)
  t.teardown(() => store.close())
  const waiting: { readonly commit: Commit; readonly told: PromiseWithResolvers<Fate> }[] = []
  let last: Promise<unknown> = Promise.resolve()
  let strangers = 0
  const commitIn = async (commit: Commit, told: Promise<Fate>): Promise<boolean> => {
    const fate = await told
    if (fate === 'before') throw new InfraFabricError('ledger.store.io', 'the disk failed')
    if (fate === 'overtaken') {
      const stranger = await openSequencer(store, contractSigner)
      await stranger.append(numbered(`stranger-${strangers++}`, 0, 1))
    }
    const taken = await store.commit(commit)
    if (fate === 'after') throw new InfraFabricError('ledger.store.unanswered', 'the answer is lost')
    return taken
  }
  const slow: LogStore = {
    ...store,
    commit: (commit) => {
      const told = Promise.withResolvers<Fate>()
      waiting.push({ commit, told })
      const outcome = last.then(() => commitIn(commit, told.promise))
      last = outcome.catch(() => undefined)
      return outcome
    }
  }
  const reached = async (count: number) => {
    while (waiting.length < count) await turn()
  }
  return { store, slow, waiting, reached, tell: (number: number, fate: Fate) => waiting[number]!.told.resolve(fate) }
}

const codeOfRefusal = (appended: Promise<unknown>): Promise<string> =>
  appended.then(
    () => 'appended',
    (error: unknown) => errorCode(error)
  )

test('the next group is sealed on top of a commit under way, and nobody sees its head before that is taken', async (t) => {
  const { store, slow, waiting, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const first = sequencer.append(numbered('p', 0, 3))
  await reached(1)
  const second = sequencer.append(numbered('p', 3, 2))
  await reached(2)
  t.deepEqual(waiting[1]!.commit.after, waiting[0]!.commit.head)
  t.is(waiting[1]!.commit.head.size, 5)
  t.deepEqual(sequencer.head(), { size: 0, lastHash: '0'.repeat(64), checkpoint: null })
  tell(0, 'taken')
  t.deepEqual(
    (await first).map(({ index }) => index),
    [0, 1, 2]
  )
  t.is(sequencer.head().size, 3)
  tell(1, 'taken')
  t.deepEqual(
    (await second).map(({ index }) => index),
    [3, 4]
  )
  t.deepEqual(sequencer.head(), waiting[1]!.commit.head)
  t.deepEqual(
    await wholeLog(t, store),
    [...(await first), ...(await second)].map(({ hash }) => hash)
  )
})

test('a group that is told its place while the one beneath it waits says so to whoever asked', async (t) => {
  const { slow, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const sealed: number[] = []
  const first = sequencer.append(numbered('p', 0, 1), () => sealed.push(1))
  await reached(1)
  const second = sequencer.append(numbered('p', 1, 1), () => sealed.push(2))
  await reached(2)
  await turn()
  t.deepEqual(sealed, [1, 2])
  tell(0, 'taken')
  tell(1, 'taken')
  await Promise.all([first, second])
})

test('a commit that fails takes back what was sealed on top of it, and nothing signed over that is ever the head', async (t) => {
  const { store, slow, waiting, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const first = sequencer.append(numbered('p', 0, 3))
  await reached(1)
  const second = sequencer.append(numbered('q', 0, 2))
  await reached(2)
  tell(0, 'before')
  tell(1, 'taken')
  t.is(await codeOfRefusal(first), 'ledger.store.io')
  t.is(await codeOfRefusal(second), 'ledger.append.again')
  t.is(sequencer.head().size, 0)
  t.is((await store.head()).size, 0)
  const again = sequencer.append(numbered('q', 0, 2))
  await reached(3)
  tell(2, 'taken')
  const places = await again
  t.deepEqual(
    places.map(({ index }) => index),
    [0, 1]
  )
  t.deepEqual(
    await wholeLog(t, store),
    places.map(({ hash }) => hash)
  )
  t.notDeepEqual(waiting[2]!.commit.head, waiting[1]!.commit.head)
})

test('a commit that took effect, and whose answer is lost, carries the one on top of it', async (t) => {
  const { store, slow, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const first = sequencer.append(numbered('p', 0, 3))
  await reached(1)
  const second = sequencer.append(numbered('q', 0, 2))
  await reached(2)
  tell(0, 'after')
  tell(1, 'taken')
  t.is(await codeOfRefusal(first), 'ledger.store.unanswered')
  const above = await second
  t.is(above[0]!.index, 3)
  t.is(sequencer.head().size, 5)
  const found = await sequencer.append(numbered('p', 0, 3))
  t.deepEqual(
    await wholeLog(t, store),
    [...found, ...above].map(({ hash }) => hash)
  )
})

test('a writer that was overtaken seals both groups anew, in their order', async (t) => {
  const { store, slow, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const first = sequencer.append(numbered('p', 0, 2))
  await reached(1)
  const second = sequencer.append(numbered('q', 0, 2))
  await reached(2)
  tell(0, 'overtaken')
  tell(1, 'taken')
  await reached(4)
  tell(2, 'taken')
  tell(3, 'taken')
  t.deepEqual(
    [...(await first), ...(await second)].map(({ index }) => index),
    [1, 2, 3, 4]
  )
  t.is((await wholeLog(t, store)).length, 5)
})

test('keys of an append under way are not given second places', async (t) => {
  const { store, slow, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const first = sequencer.append([...numbered('p', 0, 2), { ...numbered('x', 0, 1)[0]!, key: 'single' }])
  await reached(1)
  for (const keys of [numbered('p', 1, 2), [{ ...numbered('x', 0, 1)[0]!, key: 'single' }]])
    t.is(await codeOfRefusal(sequencer.append(keys)), 'ledger.append.again')
  tell(0, 'taken')
  const places = await first
  const again = sequencer.append(numbered('p', 1, 2))
  await reached(2)
  tell(1, 'taken')
  t.deepEqual((await again)[0], places[1])
  t.is((await wholeLog(t, store)).length, 4)
})

test('a group too large for the log fails alone, and the one beneath it stands', async (t) => {
  const { store, slow, reached, tell } = gated(t)
  const sequencer = await openSequencer(slow, contractSigner)
  const first = sequencer.append(numbered('p', 0, 1))
  await reached(1)
  const [item] = numbered('p', 1, 1)
  const tooLarge: AppendItem = { key: 'p:1', draft: [item!.draft[0], `${' '.repeat(70_000)}${item!.draft[1]}`, item!.draft[2]] }
  t.is(await codeOfRefusal(sequencer.append([tooLarge])), 'ledger.entry.too-large')
  tell(0, 'taken')
  const next = first.then(() => sequencer.append(numbered('p', 2, 1)))
  await reached(2)
  tell(1, 'taken')
  t.is((await next)[0]!.index, 1)
  t.is((await wholeLog(t, store)).length, 2)
})

/** Appends each group until it is in the log, the next one sealed beside it, as the ledger's thread does; those that failed are told again at the end. */
async function appendAll(sequencer: Sequencer, groups: readonly AppendItem[][]): Promise<Map<string, Place>> {
  const places = new Map<string, Place>()
  const waiting = [...groups]
  let tries = 0
  while (waiting.length > 0 && tries++ < 200) {
    const two = waiting.splice(0, 2)
    const outcomes = await Promise.allSettled(two.map((group) => sequencer.append(group)))
    for (const [number, outcome] of outcomes.entries()) {
      const group = two[number]!
      if (outcome.status === 'rejected') waiting.push(group)
      else for (const [at, { key }] of group.entries()) places.set(key, outcome.value[at]!)
    }
  }
  return places
}

test('whatever becomes of the commits: each entry once, at the place that was told, and no head but of what is there', async (t) => {
  const fate = fc.constantFrom<Fate>('taken', 'taken', 'before', 'after', 'overtaken')
  await fc.assert(
    fc.asyncProperty(fc.array(fate, { maxLength: 12 }), fc.integer({ min: 2, max: 5 }), async (fates, groups) => {
      const { store, slow, waiting, tell } = gated(t)
      const sequencer = await openSequencer(slow, contractSigner)
      let done = false
      const fateTeller = (async () => {
        for (let number = 0; !done; await turn()) {
          if (number < waiting.length) tell(number, fates[number++] ?? 'taken')
          const { size } = sequencer.head()
          t.true((await store.head()).size >= size)
        }
      })()
      const all = Array.from({ length: groups }, (_, group) => numbered(group % 2 === 0 ? 'p' : 'q', group * 3, 3))
      const places = await appendAll(sequencer, all)
      done = true
      await fateTeller
      const hashes = await wholeLog(t, store)
      t.is(places.size, groups * 3)
      t.is(new Set([...places.values()].map(({ index }) => index)).size, groups * 3)
      for (const { index, hash } of places.values()) t.is(hashes[index], hash)
    }),
    { numRuns: 40 }
  )
})
