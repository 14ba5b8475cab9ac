import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { manualClock, silentLog, type WitnessEvent, type WitnessReceipt } from '#kernel'
import { openFrameStore } from '#ledger'
import { retainFrames } from './frame-retention.ts'

const hourMs = 3_600_000
const receipt: WitnessReceipt = { state: 'spooled' }

test('hashes of frames are forgotten when their days are over, which the record tells; later ones stay', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'frames-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const frames = openFrameStore(join(folder, 'frames.db'))
  t.teardown(frames.close)
  const clock = manualClock()
  const told: WitnessEvent[] = []
  const witness = {
    record: async (event: WitnessEvent) => {
      told.push(event)
      return receipt
    }
  }
  const entries = async (count: number) => {
    for (let turns = 0; turns < 10_000 && told.length < count; turns++) await turn()
    return told.map(({ event, payload }) => ({ event, batches: payload.batches }))
  }
  const yesterday = clock.now() - 24 * hourMs
  for (let n = 0; n < 2500; n++) frames.save(`old ${n}`, Buffer.alloc(32), yesterday - 1 - n)
  frames.save('young', Buffer.alloc(32), yesterday + hourMs / 2)
  const end = retainFrames(1, { frames, witness, clock, log: silentLog })
  t.deepEqual(await entries(1), [{ event: 'frame_hashes_forgotten', batches: 2500 }])
  t.is(frames.hashes('old 2499'), null)
  t.not(frames.hashes('young'), null)
  while (clock.pending() === 0) await turn()
  clock.advance(hourMs)
  t.is((await entries(2))[1]?.batches, 1)
  t.is(frames.hashes('young'), null)
  while (clock.pending() === 0) await turn()
  end()
  t.is(clock.pending(), 0)
})

test('a store that cannot be used is told of, and asked again an hour later', async (t) => {
  const clock = manualClock()
  let asked = 0
  const frames = {
    forgetBefore: () => {
      asked++
      throw new Error('no such table')
    }
  }
  const witness = { record: async () => receipt }
  const end = retainFrames(1, { frames, witness, clock, log: silentLog })
  t.teardown(end)
  while (clock.pending() === 0) await turn()
  clock.advance(hourMs)
  while (clock.pending() === 0) await turn()
  t.is(asked, 2)
})
