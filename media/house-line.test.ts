import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { newTraceId, silentLog } from '#kernel'
import { openHouseLine } from './house-line.ts'
import { createMediaPlane } from './media.ts'
import { createSampleQueue } from './sample-queue.ts'
import { toneLevel } from './tone.ts'

test('samples come out in order, with silence before the first and where they run out', (t) => {
  const queue = createSampleQueue(4, 8)
  const pull = (count: number) => {
    const out = new Int16Array(count)
    queue.pull(out)
    return [...out]
  }
  queue.push(Int16Array.of(1, 2))
  t.deepEqual(pull(2), [0, 0], 'two wait: four are wanted')
  queue.push(Int16Array.of(3, 4, 5))
  t.deepEqual(pull(3), [1, 2, 3])
  t.deepEqual(pull(3), [0, 0, 0], 'two are left, and stay')
  queue.push(Int16Array.of(6, 7, 8, 9, 10, 11, 12))
  t.is(queue.waiting(), 7, 'too many: the oldest go, but no new ones')
  t.deepEqual(pull(2), [6, 7])
})

test('a queue never holds more than it may, and gives samples in the order they came', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 30 })), { maxLength: 60 }), (steps) => {
      const queue = createSampleQueue(8, 20)
      let next = 1
      let last = 0
      for (const [isPush, size] of steps) {
        if (isPush) queue.push(Int16Array.from({ length: size }, () => next++))
        else {
          const out = new Int16Array(size)
          queue.pull(out)
          for (const sample of out) {
            if (sample === 0) continue
            t.true(sample > last)
            last = sample
          }
        }
        t.true(queue.waiting() <= 20)
      }
    }),
    { numRuns: 300 }
  )
})

for (const srtp of ['off', 'required'] as const) {
  test(`a line of the house is heard by another, which says nothing itself (srtp ${srtp})`, async (t) => {
    const plane = await createMediaPlane({
      address: '127.0.0.1',
      portRange: srtp === 'off' ? [32_300, 32_319] : [32_320, 32_339],
      srtp,
      log: silentLog
    })
    t.teardown(plane.close)
    const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
    const heard: Int16Array[] = []
    const speaks = await openHouseLine(plane, context, { conference: 'council', participant: 'ndi-1', role: 'guardian' })
    const hears = await openHouseLine(plane, context, {
      conference: 'council',
      participant: 'publisher',
      role: 'observer',
      onMix: (samples) => heard.push(samples.slice())
    })
    await t.throwsAsync(openHouseLine(plane, context, { conference: 'council', participant: 'ndi-1', role: 'guardian' }), {
      code: 'conference.full'
    })
    // 44.1 kHz: a tone of 1000 Hz, as much of it as time has passed
    const begun = performance.now()
    for (let sent = 0; sent < 44_100 * 1.5; sent += 1470) {
      speaks.push(
        Float32Array.from({ length: 1470 }, (_, at) => 0.5 * Math.sin((2 * Math.PI * 1000 * (sent + at)) / 44_100)),
        44_100
      )
      await sleep(Math.max(0, begun + (sent + 1470) / 44.1 - performance.now()))
    }
    t.true(speaks.delayMs() > 40 && speaks.delayMs() < 1000, `${speaks.delayMs()}`)
    await speaks.close()
    await speaks.close()
    await hears.close()
    t.true(heard.every((samples) => samples.length === 960))
    // the clearest tenth of a second: a loaded machine leaves gaps
    const windows = Array.from({ length: Math.floor(heard.length / 5) }, (_, at) =>
      Int16Array.from(heard.slice(at * 5, at * 5 + 5).flatMap((samples) => [...samples]))
    )
    const best = Math.max(...windows.map((window) => toneLevel(window, 48_000, 1000)))
    t.true(best > -9 && best < -4, `${best}`)
    t.deepEqual(plane.conferences(), [])
  })
}
