import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { type Json, manualClock, silentLog, type Witness, type WitnessEvent } from '#kernel'
import { batchIn, batchOf, checkFrame, frameHash, proveFrame } from '../log/batch.ts'
import { openFrameStore } from '../store/frame-store.ts'
import { openTestLedger, openTestWitness, scratch, verify } from '../testing/fixtures.ts'
import { type BatchRecorderConfig, createBatchRecorder } from './batch-recorder.ts'

const event = { event: 'ndi_batch_complete', component: 'IF.witness.ndi-publisher', traceId: 'trace-1' }
const frame = (at: number): Buffer => Buffer.from(`frame ${at} of a picture`)

function recorderOn(t: ExecutionContext, witness: Witness, more: Partial<BatchRecorderConfig> = {}) {
  const frames = openFrameStore(join(scratch(t), 'frames.db'))
  t.teardown(frames.close)
  const clock = manualClock()
  return {
    frames,
    clock,
    recorder: createBatchRecorder({ witness, frames, clock, log: silentLog, event, kind: 'video', ...more })
  }
}

/** A witness that keeps what it is told, or refuses. */
function listening() {
  const told: WitnessEvent[] = []
  const state = { refuses: false }
  const witness: Witness = {
    record: async (each) => {
      if (state.refuses) throw new Error('full')
      told.push(each)
      return { state: 'spooled' }
    }
  }
  return { told, state, witness }
}

test('60 frames a second for 30 seconds: one entry for 30 frames, and any single frame can be proved from the ledger', async (t) => {
  const ledger = await openTestLedger(t)
  const witness = await openTestWitness(t, ledger, scratch(t))
  const { recorder, frames, clock } = recorderOn(t, witness)
  const count = 60 * 30
  for (let at = 0; at < count; at++) {
    recorder.add(frame(at))
    clock.advance(1000 / 60)
  }
  await recorder.close()
  const entries = await ledger.reader.query({ event: event.event })
  t.is(entries.length, count / 30)
  for (let at = 0; at < count; at++) {
    const batch = batchIn(entries[Math.floor(at / 30)]!.entry.payload)!
    const proof = proveFrame(frames.hashes(batch.root)!, at % 30)
    if (!checkFrame(batch, frame(at), proof)) return t.fail(`frame ${at}`)
    if (checkFrame(batch, frame(at + 1), proof)) return t.fail(`frame ${at} passes for the next`)
  }
  const first = batchIn(entries[0]!.entry.payload)!
  t.is(first.first, frameHash(frame(0)).toString('hex'))
  t.is(first.last, frameHash(frame(29)).toString('hex'))
  t.is((await verify(ledger.dir, ledger.vkey)).verdict, 'valid')
})

test('a batch that does not fill is recorded after its time; nothing is recorded of nothing', async (t) => {
  const { told, witness } = listening()
  const { recorder, clock } = recorderOn(t, witness, { longestMs: 500 })
  clock.advance(2000)
  recorder.add(frame(0))
  clock.advance(499)
  recorder.add(frame(1))
  t.is(told.length, 0)
  clock.advance(1)
  t.like(told[0], { payload: { batch: { kind: 'video', count: 2 } } })
  await recorder.close()
  await recorder.close()
  recorder.add(frame(2))
  t.is(told.length, 1)
  t.is(clock.pending(), 0)
})

test('frames that the witness does not take are told with the next that it takes', async (t) => {
  const { told, state, witness } = listening()
  const { recorder } = recorderOn(t, witness, { framesPerEntry: 2 })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  state.refuses = true
  for (let at = 0; at < 4; at++) recorder.add(frame(at))
  await settle()
  t.is(recorder.missed(), 4)
  state.refuses = false
  for (let at = 4; at < 6; at++) recorder.add(frame(at))
  await recorder.close()
  t.deepEqual(
    told.map(({ payload }) => payload.missed),
    [4]
  )
  t.is(recorder.missed(), 0)
})

test('what waits is bounded', async (t) => {
  const answers: (() => void)[] = []
  let asked = 0
  const witness: Witness = {
    record: () => {
      asked++
      return new Promise((resolve) => answers.push(() => resolve({ state: 'spooled' })))
    }
  }
  const { recorder } = recorderOn(t, witness, { framesPerEntry: 1, mostWaiting: 3 })
  for (let at = 0; at < 10; at++) recorder.add(frame(at))
  t.is(asked, 3)
  t.is(recorder.missed(), 7)
  for (const resolve of answers) resolve()
  await recorder.close()
})

test('a store of frames that fails costs the proofs, not the entries', async (t) => {
  const { told, witness } = listening()
  const { recorder, frames } = recorderOn(t, witness, { framesPerEntry: 1 })
  frames.close()
  recorder.add(frame(0))
  await recorder.close()
  t.is(told.length, 1)
  t.throws(() => frames.hashes('x'), { code: 'ledger.frames.store' })
})

test('hashes of frames are forgotten by their time', (t) => {
  const { frames } = recorderOn(t, listening().witness)
  frames.save('a', Buffer.alloc(32), 100)
  frames.save('b', Buffer.alloc(64), 200)
  t.is(frames.forgetBefore(200), 1)
  t.is(frames.hashes('a'), null)
  t.deepEqual(frames.hashes('b'), new Uint8Array(64))
})

test('every frame of any batch is proved, and no other frame passes for it', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 8 }), { minLength: 1, maxLength: 70 }),
      fc.nat(),
      fc.uint8Array({ maxLength: 8 }),
      (list, pick, other) => {
        const hashes = Buffer.concat(list.map(frameHash))
        const batch = batchOf('rtp', hashes)
        const index = pick % list.length
        const proof = proveFrame(hashes, index)
        t.true(checkFrame(batch, list[index]!, proof))
        if (Buffer.compare(other, list[index]!) !== 0) t.false(checkFrame(batch, other, proof))
      }
    ),
    { seed: 4, numRuns: 60 }
  )
  for (const octets of [0, 31, 33]) t.throws(() => batchOf('rtp', new Uint8Array(octets)), { code: 'ledger.batch.size' })
  t.throws(() => proveFrame(Buffer.alloc(32), 1), { instanceOf: RangeError })
  const ill: Json[] = [null, 'x', [], { kind: 'x' }, { kind: 'x', count: 0, root: 'x', first: 'x', last: 'x' }]
  for (const batch of ill) t.is(batchIn({ batch }), null)
})
