import test from 'ava'
import { commitTo } from '../../log/commitment.ts'
import { formatVerifierKey } from '../../log/note.ts'
import { noPolicy } from '../../log/policy.ts'
import { checkTlogProof, parseTlogProof } from '../../log/tlog-proof.ts'
import {
  altered,
  type Lies,
  newSigner,
  offlineData,
  origin,
  plainEvents,
  sourceOf,
  type TestLog,
  testLog,
  testWitnesses,
  trustIn
} from '../testing/log.ts'
import { LogAudit } from './log-audit.ts'
import { offlineSource } from './offline-source.ts'
import { SelectionAudit } from './selection-audit.ts'
import { SourceError } from './source.ts'
import { leafHash } from './tree.ts'
import type { Report, Trust } from './verdict.ts'

const quiet = () => undefined
const audit = (log: TestLog, lies: Lies = {}, trust: Partial<Trust> = {}): Promise<Report> =>
  new LogAudit(sourceOf(log, lies), trustIn(log, trust)).check(quiet)
const stateOf = (report: Report, name: string) => report.checks.find((check) => check.name === name)?.state

const log = testLog(plainEvents(600))
const alteredAt = (index: number) => new Map([[index, altered(log.entries[index]!)]])

test('a good log is valid under a key that was vouched for, and only fits under one that was not', async (t) => {
  const report = await audit(log, { history: [log.note(100), log.note(256), log.note(599)] })
  t.is(report.verdict, 'valid', report.summary)
  t.is(report.size, 600)
  t.deepEqual(report.faults, [])
  t.true(report.checks.every(({ state }) => state === 'good' || state === 'none'))
  t.is(report.remember, log.note())
  const unpinned = await audit(log, {}, { pinned: false })
  t.is(unpinned.verdict, 'unpinned')
  t.is(stateOf(unpinned, 'key'), 'warn')
})

test('logs of every size around a tile are read whole', async (t) => {
  for (const size of [0, 1, 2, 255, 256, 257, 512]) {
    const short = testLog(plainEvents(size))
    const report = await audit(short)
    t.is(report.verdict, 'valid', `${size}: ${report.summary}`)
    t.is(report.held, size)
  }
})

test('an altered entry is named, wherever it stands', async (t) => {
  for (const index of [0, 1, 255, 256, 300, 598, 599]) {
    const report = await audit(log, { entries: alteredAt(index) })
    t.is(report.verdict, 'altered')
    t.is(report.faults[0]!.index, index, report.summary)
    t.regex(report.summary, new RegExp(`ntry ${index} `))
    t.is(stateOf(report, 'tree'), 'bad')
    t.is(report.remember, null)
  }
})

test('an altered entry whose tile was made to fit is named by the chain, and by the checkpoints between which it lies', async (t) => {
  const spoiled = altered(log.entries[300]!)
  const lies = {
    entries: new Map([[300, spoiled]]),
    leaves: new Map([[300, leafHash(spoiled)]]),
    history: [log.note(200), log.note(400)]
  }
  const report = await audit(log, lies)
  t.is(report.verdict, 'altered')
  t.is(report.faults[0]?.index, 256, 'the tile above holds another hash for the entries 256 to 511')
  t.true(report.faults.some(({ kind, index }) => kind === 'chain' && index === 300))
  t.regex(report.checks.find(({ name }) => name === 'tree')!.text, /among entries 200 to 399/)
})

test('an altered tile is named as such: the entry is good', async (t) => {
  const report = await audit(log, { leaves: new Map([[123, new Uint8Array(32)]]) })
  t.is(report.verdict, 'altered')
  t.deepEqual(
    report.faults.map(({ kind, index }) => [kind, index]),
    [['tile', 123]]
  )
  t.is(stateOf(report, 'entries'), 'good')
  t.is(stateOf(report, 'tiles'), 'bad')
})

test('what is no entry is named, and the rest is still read', async (t) => {
  const text = Buffer.from(log.entries[7]!).toString()
  for (const [form, said] of [
    ['{', 'not JSON'],
    ['[]', 'no object'],
    [text.replace('"v":1', '"v":2'), 'version 1'],
    [text.replace('"payload":{', '"payload": {'), 'canonical'],
    [text.replace('"index":7', '"index":8'), 'entry 8'],
    [text.replace('"v":1', '"v":1,"w":1'), 'no entry has'],
    [text.replace('{"component"', '{"a":1,"component"'), 'no entry has'],
    ['\u00ff', 'not JSON']
  ] as const) {
    const report = await audit(log, { entries: new Map([[7, Buffer.from(form)]]) })
    t.is(report.verdict, 'altered')
    const fault = report.faults.find(({ kind }) => kind === 'form')
    t.is(fault?.index, 7)
    t.true(fault?.text.includes(said), fault?.text)
    t.is(report.held, 600)
  }
  const binary = await audit(log, { entries: new Map([[7, Uint8Array.of(0xff, 0xfe)]]) })
  t.true(binary.faults.some(({ index, text: said }) => index === 7 && said.includes('UTF-8')))
})

test('entries that are not shown are missing, and a source that fails gives no verdict', async (t) => {
  const report = await audit(log, { endsAt: 512 })
  t.is(report.verdict, 'truncated')
  t.regex(report.summary, /from 512 on/)
  const down = { ...sourceOf(log), bundle: async () => Promise.reject(new SourceError(503, 'out of service')) }
  await t.throwsAsync(new LogAudit(down, trustIn(log)).check(quiet), { message: 'out of service' })
  const broken = { ...sourceOf(log), bundle: async () => Uint8Array.of(0, 9, 1) }
  t.is((await new LogAudit(broken, trustIn(log)).check(quiet)).verdict, 'altered')
})

test('another key, a bad signature and another log are told apart', async (t) => {
  const other = await audit(log, { checkpoint: log.note(600, newSigner()) })
  t.is(other.verdict, 'unwitnessed')
  t.regex(other.summary, /not signed by key [0-9a-f]{8}, but by [0-9a-f]{8}/)
  const [body, signature] = log.note().split('\n\n')
  const forged = await audit(log, { checkpoint: `${body}\n\n${log.note(599).split('\n\n')[1]}` })
  t.is(forged.verdict, 'unwitnessed')
  t.regex(forged.summary, /forged or spoiled/)
  const renamed = await audit(log, { checkpoint: `${body!.replace(origin, 'other.example/log')}\n\n${signature}` })
  t.regex(renamed.summary, /of another log/)
})

test('a quorum that the policy asks for has to be there', async (t) => {
  const { policy, cosigned } = testWitnesses()
  t.is((await audit(log, { checkpoint: cosigned(log.note(), 2) }, { policy })).verdict, 'valid')
  const report = await audit(log, { checkpoint: cosigned(log.note(), 1) }, { policy })
  t.is(report.verdict, 'unwitnessed')
  t.regex(report.summary, /1 of 3 witnesses cosigned it \(a\), the last of them 2026-01-01 00:00:00; missing: b, c/)
})

test('a log that is shorter than what was seen was cut, one that tells another story was forked', async (t) => {
  const seen = log.note()
  const shorter = await audit(log, { checkpoint: log.note(500) }, { seen })
  t.is(shorter.verdict, 'truncated')
  t.regex(shorter.summary, /saw 600 entries/)
  const fork = testLog([...plainEvents(550), ...plainEvents(100, 9000)], log.signer)
  const forked = await audit(fork, {}, { seen })
  t.is(forked.verdict, 'forked')
  t.is(forked.remember, null)
  t.is((await audit(fork, {}, { seen: log.note(550) })).verdict, 'valid', 'up to there they are the same')
  const told = await audit(fork, { history: [log.note(600)] })
  t.is(told.verdict, 'forked', 'a signed checkpoint of the history is of other entries')
})

test('what is there is read once: a log that grew is read on, one that went back is cut short', async (t) => {
  const growing = testLog(plainEvents(300))
  let asked: number[] = []
  let checkpoint = growing.note()
  const source = { ...sourceOf(growing), checkpoint: async () => checkpoint }
  const counting = {
    ...source,
    bundle: (index: number, width: number) => {
      asked.push(index)
      return source.bundle(index, width)
    }
  }
  const running = new LogAudit(counting, trustIn(growing))
  t.is((await running.check(quiet)).verdict, 'valid')
  const before = checkpoint
  for (const event of plainEvents(300, 300)) growing.append(event)
  checkpoint = growing.note()
  asked = []
  const grown = await running.check(quiet)
  t.is(grown.verdict, 'valid', grown.summary)
  t.is(grown.size, 600)
  t.deepEqual(asked, [1, 2])
  checkpoint = before
  t.is((await running.check(quiet)).verdict, 'truncated')
})

test('changes of key are followed from the first, and only where the key before signed', async (t) => {
  const next = newSigner()
  const rotated = testLog(plainEvents(20))
  rotated.rotate(next)
  const handover = rotated.note(21, rotated.signer, next)
  for (const event of plainEvents(10, 21)) rotated.append(event)
  const checkpoint = rotated.note(31, next)
  const report = await audit(rotated, { checkpoint, history: [handover] })
  t.is(report.verdict, 'valid', report.summary)
  t.regex(report.checks.find(({ name }) => name === 'signature')!.text, /handed over/)
  t.is((await audit(rotated, { checkpoint })).verdict, 'unwitnessed', 'nobody shows that the first key signed the change')
  t.is((await audit(rotated, { checkpoint, history: [rotated.note(21, next)] })).verdict, 'unwitnessed')
  t.is(
    (await audit(rotated, { checkpoint: rotated.note(), history: [handover] })).verdict,
    'altered',
    'the old key signs no more'
  )
})

test('an entry of a producer hands over no key', async (t) => {
  const next = newSigner()
  const claimed = testLog(plainEvents(5))
  claimed.append({ event: 'key_rotated', component: 'IF.proxy', traceId: 't', payload: { vkey: formatVerifierKey(next) } })
  const history = [claimed.note()]
  t.is((await audit(claimed, { history })).verdict, 'valid')
  t.is((await audit(claimed, { history, checkpoint: claimed.note(6, next) })).verdict, 'unwitnessed')
})

test('each head of the history is proved to have grown from the one before, also those of older pages', async (t) => {
  const running = new LogAudit(
    sourceOf(log, { history: [log.note(10), log.note(300)], older: [log.note(5), log.note(10, newSigner())] }),
    trustIn(log)
  )
  await running.check(quiet)
  const { heads, more } = await running.heads(quiet, false)
  t.true(more)
  t.deepEqual(
    heads.map(({ size, state, previousSize }) => [size, state, previousSize]),
    [
      [10, 'good', null],
      [300, 'good', 10],
      [600, 'good', 300]
    ]
  )
  t.true(heads[2]!.proof!.length > 3)
  t.is(heads[1]!.lastEntry, '2026-01-01T00:04:59.000Z')
  const older = await running.heads(quiet, true)
  t.false(older.more)
  t.deepEqual(
    older.heads.map(({ size, state }) => [size, state]),
    [
      [5, 'good'],
      [10, 'warn'],
      [10, 'good'],
      [300, 'good'],
      [600, 'good']
    ]
  )
})

test('a proof that the page saves is one that the ledger takes', async (t) => {
  const running = new LogAudit(sourceOf(log), trustIn(log))
  await running.check(quiet)
  for (const index of [0, 255, 256, 599]) {
    const proof = running.prove(index)!
    t.true(proof.good)
    t.true(checkTlogProof(parseTlogProof(proof.text), { logs: [log.signer], policy: noPolicy }).good)
  }
  t.is(running.prove(600), null)
})

test('a selection is checked entry by entry', async (t) => {
  const indexes = [3, 4, 5, 300, 599]
  const data = await offlineData(log, indexes)
  const check = (changed: Partial<typeof data>, trust: Partial<Trust> = {}) =>
    new SelectionAudit({ ...data, ...changed }, trustIn(log, trust)).check(quiet)
  const report = await check({})
  t.is(report.verdict, 'valid', report.summary)
  t.false(report.whole)
  t.is(report.held, 5)
  const spoiled = data.entries.map((entry) =>
    entry.index === 300 ? { ...entry, bytes: entry.bytes.replace('"n":', '"n":9') } : entry
  )
  const bad = await check({ entries: spoiled })
  t.is(bad.verdict, 'altered')
  t.deepEqual(
    bad.faults.map(({ kind, index }) => [kind, index]),
    [['altered', 300]]
  )
  t.is((await check({ proofs: data.proofs.slice(1) })).verdict, 'altered')
  t.is((await check({ proofs: ['', ...data.proofs.slice(1)] })).faults[0]?.kind, 'proof')
  t.is((await check({}, { key: formatVerifierKey(newSigner()) })).verdict, 'unwitnessed')
  const fork = testLog(plainEvents(600, 7), log.signer)
  t.is((await check({}, { seen: fork.note() })).verdict, 'forked')
  const larger = await check({}, { seen: log.note(500) })
  t.is(larger.verdict, 'valid')
  t.is(larger.remember, null, 'nothing shows that it grew from what was seen')
})

test('a selection brings the changes of key along', async (t) => {
  const next = newSigner()
  const rotated = testLog(plainEvents(5))
  rotated.rotate(next)
  const handover = await offlineData(rotated, [5])
  const bothSigned = handover.proofs[0]!.replace(rotated.note(), rotated.note(6, rotated.signer, next))
  for (const event of plainEvents(5, 6)) rotated.append(event)
  const { entries } = rotated
  const signedByNext = testLog([], next)
  signedByNext.entries.push(...entries)
  signedByNext.leaves.push(...rotated.leaves)
  const rotations = [{ bytes: handover.entries[0]!.bytes, proof: bothSigned }]
  const data = await offlineData(signedByNext, [0, 10], { rotations })
  const trust = trustIn(rotated)
  const report = await new SelectionAudit(data, trust).check(quiet)
  t.is(report.verdict, 'valid', report.summary)
  t.is((await new SelectionAudit({ ...data, rotations: [] }, trust).check(quiet)).verdict, 'unwitnessed')
  const byOneKey = [{ ...rotations[0]!, proof: handover.proofs[0]! }]
  t.is((await new SelectionAudit({ ...data, rotations: byOneKey }, trust).check(quiet)).verdict, 'unwitnessed')
  t.is(
    (await new SelectionAudit({ ...data, rotations: [{ ...rotations[0]!, proof: data.proofs[0]! }] }, trust).check(quiet))
      .verdict,
    'unwitnessed'
  )
})

test('payloads beside the log are held against what was committed to', async (t) => {
  const { commitment, erasable } = commitTo({ name: 'A. Person' })
  const other = commitTo({ name: 'B. Person' })
  const whole = testLog([{ event: 'e', component: 'IF.test', traceId: 't', payload: { commitment } }])
  const data = await offlineData(whole)
  const check = async (told: typeof erasable) => {
    const running = new LogAudit(offlineSource(data), trustIn(whole), [{ index: 0, ...told }])
    return { report: await running.check(quiet), payload: running.payload(0) }
  }
  const good = await check(erasable)
  t.is(good.report.verdict, 'valid')
  t.deepEqual(good.payload, { text: '{"name":"A. Person"}', good: true })
  const bad = await check(other.erasable)
  t.is(bad.report.verdict, 'altered')
  t.regex(bad.report.summary, /payload beside entry 0/)
  t.is((await check({ ...erasable, salt: '' })).payload?.good, false)
})
