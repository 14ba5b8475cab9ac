import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type ManualClock, manualClock, silentLog } from '#kernel'
import { type Ledger, ledgerFiles, openLedger } from '#ledger'
import type { AskSeat } from '../client/seat-client.ts'
import { parseAddCheckpoint } from '../log/add-checkpoint.ts'
import { cosign, readCosigner } from '../log/cosignature.ts'
import { formatVerifierKey, generateSigningKey, isSignedBy, parseCheckpoint, parseVerifierKey } from '../log/note.ts'
import { judgeCheckpoint, noPolicy, parsePolicy } from '../log/policy.ts'
import { items, openTestLedger, origin, scratch, verify } from '../testing/fixtures.ts'
import { openTestSeat, policyOf, watch } from '../testing/seats.ts'
import { readPublished } from './published.ts'
import { createPublisher, type Witnessing } from './publisher.ts'

async function until(condition: () => boolean | Promise<boolean>, withinMs = 40_000): Promise<boolean> {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    if (await condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return false
}

async function witnessedLedger(t: ExecutionContext, policy: string, dir = scratch(t)): Promise<Ledger & { dir: string }> {
  mkdirSync(dir, { recursive: true })
  writeFileSync(ledgerFiles(dir).policy, policy)
  const ledger = await openLedger({ dir, origin, log: silentLog, publishIntervalMs: 20, witnessWithinMs: 20_000 })
  t.teardown(() => ledger.close())
  return { ...ledger, dir }
}

const published = (dir: string) => readPublished(ledgerFiles(dir).published).map((note) => parseCheckpoint(note!))
const told = async (ledger: Ledger, event: string) => (await ledger.reader.query({ event })).map(({ entry }) => entry.payload)

test('a head is published once a quorum of seats has cosigned it', async (t) => {
  const seats = await Promise.all(['a', 'b', 'c'].map((name) => openTestSeat(t, name)))
  const policy = policyOf(seats, 2)
  const ledger = await witnessedLedger(t, policy)
  watch(seats, ledger.vkey)
  for (let at = 0; at < 5; at++) {
    await ledger.append(items(at * 300, 300), at + 1)
    t.true(await until(() => ledger.witnessing().publishedSize === ledger.size()))
  }
  const heads = published(ledger.dir)
  t.is(heads.at(-1)?.checkpoint.size, 1500)
  for (const head of heads) t.like(judgeCheckpoint(parsePolicy(policy), head), { quorum: true })
  t.is(judgeCheckpoint(parsePolicy(policy), heads.at(-1)!).cosigned.size, 3)
  t.like(ledger.witnessing(), { state: 'witnessed', missing: {} })
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('without a quorum nothing is published and entries go on; the ledger tells, once, and goes on when seats are back', async (t) => {
  const seats = await Promise.all(['a', 'b'].map((name) => openTestSeat(t, name)))
  const policy = policyOf(seats, 2)
  const ledger = await witnessedLedger(t, policy)
  watch(seats, ledger.vkey)
  await ledger.append(items(0, 10), 1)
  t.true(await until(() => ledger.witnessing().publishedSize === 10))
  await seats[1]!.stop()
  await ledger.append(items(10, 10), 2)
  t.true(await until(() => ledger.witnessing().state === 'unwitnessed'))
  await ledger.append(items(20, 10), 3)
  t.true(await until(() => ledger.size() >= 31))
  t.is(published(ledger.dir).at(-1)?.checkpoint.size, 10)
  t.deepEqual(ledger.witnessing().missing, { b: 'ledger.seat.unreachable' })
  await seats[1]!.start()
  // 30 entries, and what the ledger tells of itself when the quorum is lost and when it is back
  t.true(await until(() => ledger.size() === 32 && ledger.witnessing().publishedSize === 32))
  t.is(ledger.witnessing().state, 'witnessed')
  t.deepEqual(await told(ledger, 'checkpoint_unwitnessed'), [{ publishedSize: 10, missing: { b: 'ledger.seat.unreachable' } }])
  t.is((await told(ledger, 'checkpoint_witnessed')).length, 1)
  t.like(judgeCheckpoint(parsePolicy(policy), published(ledger.dir).at(-1)!), { quorum: true })
})

test('a ledger whose history was changed finds no quorum any more', async (t) => {
  const seat = await openTestSeat(t, 'a')
  const policy = policyOf([seat], 1)
  const ledger = await witnessedLedger(t, policy)
  watch([seat], ledger.vkey)
  await ledger.append(items(0, 10), 1)
  t.true(await until(() => ledger.witnessing().publishedSize === 10))
  await ledger.close()
  const dir = scratch(t)
  const { key, vkey } = ledgerFiles(ledger.dir)
  mkdirSync(dir, { recursive: true })
  writeFileSync(ledgerFiles(dir).key, readFileSync(key))
  writeFileSync(ledgerFiles(dir).vkey, readFileSync(vkey))
  const rewritten = await witnessedLedger(t, policy, dir)
  await rewritten.append(items(100, 12), 1)
  t.true(await until(() => rewritten.witnessing().state === 'unwitnessed'))
  t.deepEqual(rewritten.witnessing().missing, { a: 'http-422' })
  t.deepEqual(published(dir), [])
})

test('a key takes over: the head over the entry carries both signatures, what follows the new one, and the old one is gone', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 5), 1)
  const second = await ledger.rotateKey()
  t.is(second.index, 5)
  t.deepEqual(await told(ledger, 'key_rotated'), [{ vkey: second.vkey }])
  const [transition] = published(ledger.dir).filter(({ checkpoint }) => checkpoint.size === 6)
  t.true(isSignedBy(transition!, parseVerifierKey(ledger.vkey)))
  t.true(isSignedBy(transition!, parseVerifierKey(second.vkey)))
  const third = await ledger.rotateKey()
  await ledger.append(items(10, 5), 2)
  const now = parseCheckpoint((await ledger.reader.checkpoint())!)
  t.deepEqual(
    [ledger.vkey, second.vkey, third.vkey].map((vkey) => isSignedBy(now, parseVerifierKey(vkey))),
    [false, false, true]
  )
  t.false(existsSync(ledgerFiles(ledger.dir).key))
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
  await ledger.close()

  const again = await openLedger({ dir: ledger.dir, origin, log: silentLog })
  t.teardown(() => again.close())
  t.is(again.vkey, ledger.vkey)
  await again.append(items(20, 5), 1)
  t.true(isSignedBy(parseCheckpoint((await again.reader.checkpoint())!), parseVerifierKey(third.vkey)))
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('a process that is killed while a key takes over: the next one publishes the head and removes the old key', async (t) => {
  const ledger = await openTestLedger(t)
  await ledger.append(items(0, 5), 1)
  const { key, published: file } = ledgerFiles(ledger.dir)
  const old = readFileSync(key)
  const { vkey } = await ledger.rotateKey()
  await ledger.close()
  writeFileSync(key, old)
  writeFileSync(file, '')
  const again = await openTestLedger(t, ledger.dir)
  t.false(existsSync(key))
  t.true(isSignedBy(published(ledger.dir)[0]!, parseVerifierKey(ledger.vkey)))
  await again.append(items(5, 5), 1)
  t.true(isSignedBy(parseCheckpoint((await again.reader.checkpoint())!), parseVerifierKey(vkey)))
  await again.close()
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('a writer that did not change the key itself follows the one that did', async (t) => {
  const first = await openTestLedger(t)
  await first.append(items(0, 5), 1)
  const other = await openTestLedger(t, first.dir)
  const { vkey } = await other.rotateKey()
  await first.append(items(5, 5), 2)
  t.true(isSignedBy(parseCheckpoint((await first.reader.checkpoint())!), parseVerifierKey(vkey)))
  t.is((await verify(first.dir, first.vkey)).verdict, 'valid')
})

test('a writer without the key that took over refuses to sign with the old one', async (t) => {
  const first = await openTestLedger(t)
  await first.append(items(0, 5), 1)
  const { vkey } = await first.rotateKey()
  await first.close()
  const { keys } = ledgerFiles(first.dir)
  const [, id] = vkey.split('+')
  const pem = join(keys, `${id}.pem`)
  const kept = readFileSync(pem)
  const { rmSync } = await import('node:fs')
  rmSync(pem)
  await t.throwsAsync(openLedger({ dir: first.dir, origin, log: silentLog }), { code: 'ledger.key.missing' })
  writeFileSync(pem, kept)
  await t.notThrowsAsync(async () => (await openTestLedger(t, first.dir)).append(items(5, 1), 1))
})

test('a policy that cannot be read stops the ledger before it writes', async (t) => {
  await t.throwsAsync(witnessedLedger(t, 'quorum nobody\n'), { code: 'ledger.policy.malformed' })
})

/** A publisher over a ledger's log, with a clock of its own and seats that answer as they are told. */
async function alone(t: ExecutionContext, policyText: string | null, ask: AskSeat) {
  const ledger = await openTestLedger(t)
  const notes: string[] = []
  const changes: Witnessing[] = []
  const clock: ManualClock = manualClock()
  let head = await ledger.reader.log.head()
  const publisher = createPublisher({
    log: ledger.reader.log,
    head: () => head,
    heads: { publish: (note) => void notes.push(note), latest: () => notes.at(-1) ?? null, close: () => undefined },
    policy: policyText === null ? noPolicy : parsePolicy(policyText),
    ask,
    clock,
    intervalMs: 1000,
    answerWithinMs: 500,
    onChange: (now) => void changes.push(now),
    onFailure: (code) => t.fail(code)
  })
  const grow = async (from: number, count: number) => {
    await ledger.append(items(from, count), from + 1)
    head = await ledger.reader.log.head()
    publisher.changed()
  }
  return { publisher, notes, changes, clock, grow }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 30))

test('heads are published at most once in their interval, and the newest of them', async (t) => {
  const { notes, clock, grow, publisher } = await alone(t, null, () => Promise.reject(new Error('nobody is asked')))
  await grow(0, 1)
  await grow(1, 1)
  clock.advance(999)
  await settled()
  t.is(notes.length, 0)
  clock.advance(1)
  t.true(await until(() => notes.length === 1))
  t.is(parseCheckpoint(notes.at(-1)!).checkpoint.size, 2)
  await grow(2, 1)
  await publisher.end()
  t.is(parseCheckpoint(notes.at(-1)!).checkpoint.size, 3)
  t.is(notes.length, 2)
  t.is(clock.pending(), 0)
})

const seatKey = readCosigner('seat.example', generateSigningKey())
const onePolicy = `witness s ${formatVerifierKey(seatKey)} http://seat.example\nquorum s\n`

test('a seat that is asked from the wrong size is asked again from the one it names; pauses grow while it does not answer', async (t) => {
  const sizes: number[] = []
  let answers = true
  const { notes, clock, grow, changes } = await alone(t, onePolicy, async (_, body) => {
    if (!answers) throw new Error('away')
    const { oldSize, note } = parseAddCheckpoint(body)
    sizes.push(oldSize)
    if (oldSize !== 3) return { type: 'size', text: '3\n' }
    return { type: 'cosigned', lines: cosign(note.body, seatKey, 1) }
  })
  await grow(0, 8)
  clock.advance(1000)
  t.true(await until(() => notes.length === 1))
  t.deepEqual(sizes, [0, 3])
  answers = false
  await grow(8, 1)
  clock.advance(1000)
  t.true(await until(() => changes.at(-1)?.state === 'unwitnessed'))
  const failures = changes.length
  clock.advance(1999)
  await settled()
  t.is(changes.length, failures)
  clock.advance(1)
  t.true(await until(() => changes.length > failures))
})

test('answers that are no good cosignature of this head count for nothing', async (t) => {
  const stranger = readCosigner('seat.example', generateSigningKey())
  const wrong: Record<string, Awaited<ReturnType<AskSeat>>> = {
    'bad-signature': { type: 'cosigned', lines: cosign('other\n1\nAAAA\n', seatKey, 1) },
    'ledger.checkpoint.malformed': { type: 'cosigned', lines: 'hello' },
    malformed: { type: 'size', text: 'many\n' },
    ahead: { type: 'size', text: '99999\n' },
    'http-403': { type: 'refused', status: 403 },
    'http-409': { type: 'size', text: '0\n' }
  }
  for (const [why, reply] of Object.entries(wrong)) {
    const { clock, grow, changes, notes } = await alone(t, onePolicy, async () => reply)
    await grow(0, 2)
    clock.advance(1000)
    t.true(await until(() => changes.length > 0))
    t.like(changes[0], { state: 'unwitnessed', missing: { s: why } })
    t.deepEqual(notes, [])
  }
  const { clock, grow, changes } = await alone(t, onePolicy, async (_, body) => ({
    type: 'cosigned',
    lines: cosign(parseAddCheckpoint(body).note.body, stranger, 1)
  }))
  await grow(0, 2)
  clock.advance(1000)
  t.true(await until(() => changes.length > 0))
  t.like(changes[0], { state: 'unwitnessed', missing: { s: 'bad-signature' } })
})
