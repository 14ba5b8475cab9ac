import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { manualClock, silentLog, type Witness, type WitnessEvent } from '#kernel'
import { batchIn } from '#ledger'
import type { VideoFrame } from '../runtime/frames.ts'
import { createStreamCheck, formatAttestation, parseAttestation, statementOf } from './attestation.ts'
import { recordStream } from './stream-record.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'

const frame = (number: number, shade = number): VideoFrame => ({
  type: 'video',
  width: 4,
  height: 2,
  fourCC: 'UYVY',
  frameRate: [60, 1],
  lineStride: 8,
  timecode: BigInt(number) * 166_667n,
  sentAt: null,
  metadata: null,
  data: new Uint8Array(16).fill(shade % 256)
})

function recording(refuses = false) {
  const entries: WitnessEvent[] = []
  const sent: string[] = []
  const clock = manualClock()
  const witness: Witness = {
    record: async (event) => {
      if (refuses) throw new Error('full')
      entries.push(event)
      return { state: 'spooled' }
    }
  }
  const record = recordStream({
    witness,
    frames: { save: () => undefined },
    clock,
    log: silentLog,
    traceId,
    source: 'VM (Council)',
    tell: (xml) => void sent.push(xml)
  })
  const roots = () => new Set(entries.flatMap(({ payload }) => batchIn(payload)?.root ?? []))
  return { entries, sent, clock, record, roots }
}

test('60 frames a second for 10 minutes cost two entries a second, and the minutes', async (t) => {
  const { entries, sent, clock, record } = recording()
  record.metadata({ 'X-IF-Trace-ID': traceId })
  for (let number = 0; number < 60 * 600; number++) {
    record.frame(frame(number))
    clock.advance(1000 / 60)
    if (number % 30 === 29) await setImmediate()
  }
  clock.advance(1)
  await record.close('done')
  const count = (event: string) => entries.filter((entry) => entry.event === event).length
  t.is(count('ndi_batch_complete'), 1200)
  t.is(sent.length, 1200)
  t.is(count('ndi_bandwidth_usage'), 10)
  t.is(entries.length, 1200 + 10 + 4)
  t.is(entries[0]!.event, 'ndi_stream_created')
  t.deepEqual(entries.at(-1)!.payload, {
    source: 'VM (Council)',
    reason: 'done',
    frames: 36_000,
    batches: 1200,
    seconds: 600.004,
    unrecorded: 0
  })
  t.true(entries.every(({ component }) => component === 'IF.witness.ndi-publisher'))
  t.is(clock.pending(), 0)
})

test('a recording is good where the ledger vouches for each frame', async (t) => {
  const { sent, record, roots } = recording()
  for (let number = 0; number < 75; number++) record.frame(frame(number))
  await record.close('done')
  const check = createStreamCheck((root) => roots().has(root))
  for (let number = 0; number < 75; number++) check.frame(frame(number))
  check.metadata('<other/>')
  for (const xml of sent) check.metadata(xml)
  t.deepEqual(check.verdict(), { good: 75, altered: [], unattested: [], missing: [], foreign: [] })
})

test('an altered frame, one left out, one brought in and a foreign attestation are each told', async (t) => {
  const { sent, record, roots } = recording()
  for (let number = 0; number < 30; number++) record.frame(frame(number))
  await record.close('done')
  const other = recording()
  other.record.frame(frame(99))
  await other.record.close('done')
  const check = createStreamCheck((root) => roots().has(root))
  for (let number = 3; number < 30; number++) {
    if (number !== 20) check.frame(frame(number, number === 7 ? 200 : number))
  }
  check.frame(frame(99))
  for (const xml of [...sent, ...other.sent]) check.metadata(xml)
  t.deepEqual(check.verdict(), {
    good: 25,
    altered: [frame(7).timecode],
    unattested: [frame(99).timecode],
    missing: [frame(20).timecode],
    foreign: [parseAttestation(other.sent[0]!)!.root]
  })
})

test('metadata that is no attestation, or states another root, is none', (t) => {
  const statements = [statementOf(frame(1))]
  const good = formatAttestation({ traceId, root: '0'.repeat(64), statements })
  t.is(parseAttestation(good), null, 'the root is not theirs')
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), (text) => {
      t.is(parseAttestation(text), null)
      t.is(parseAttestation(`<if_attestation trace="${text}" root="">${text}</if_attestation>`), null)
    }),
    { numRuns: 200 }
  )
})

test('where too many batches wait for the witness, those left out are not attested and the next are right', async (t) => {
  const { sent, record, entries } = recording()
  for (let number = 0; number < 30 * 257; number++) record.frame(frame(number))
  await setImmediate()
  for (let number = 0; number < 30; number++) record.frame(frame(10_000 + number))
  await record.close('done')
  t.is(sent.length, 257, 'one of 258 was left out')
  t.deepEqual(parseAttestation(sent.at(-1)!)!.statements[0], statementOf(frame(10_000)))
  t.is(entries.filter(({ payload }) => payload.missed === 30).length, 1)
})

test('a witness that refuses stops nothing, and the end tells what is unrecorded', async (t) => {
  const { record, sent } = recording(true)
  for (let number = 0; number < 30; number++) record.frame(frame(number))
  record.failed(new Error('gone'))
  await t.notThrowsAsync(record.close('done'))
  t.is(sent.length, 1)
})
