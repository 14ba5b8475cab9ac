import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { InfraFabricError, type ManualClock, manualClock, newTraceId, silentLog, type WitnessEvent } from '#kernel'
import type { Frame, VideoFrame } from '../runtime/frames.ts'
import type { Receiver } from '../runtime/receive.ts'
import type { IngestRequest } from './ingest.ts'
import { createIngests, ingestBridge } from './ingests.ts'
import type { EncoderRequest } from './ports.ts'
import { sourcePattern } from './sources.ts'

const settled = async () => {
  for (let turn = 0; turn < 10; turn++) await setImmediate()
}

/** Sources, encoders, pictures and sound that the test works by hand, in simulated time. */
function world(options: { readonly sound?: 'refused' } = {}) {
  const clock: ManualClock = manualClock()
  const entries: WitnessEvent[] = []
  const counts = { receivers: 0, encoders: 0, sinks: 0, sounds: 0, finds: 0 }
  const shown: { readonly capturedMs: number; readonly atMs: number }[] = []
  const heard: number[] = []
  const requests: EncoderRequest[] = []
  let present = true
  let pauses = 0
  let take: ((frame: Frame | null) => void) | null = null
  let lose: ((error: Error) => void) | null = null
  const receive = (): Receiver => {
    counts.receivers++
    return {
      capture: () =>
        new Promise<Frame | null>((resolve, reject) => {
          take = resolve
          lose = reject
        }),
      close: async () => void counts.receivers--
    } as unknown as Receiver
  }
  const ingests = createIngests({
    sources: {
      find: async (fits) => {
        counts.finds++
        return present && fits('STUDIO (Camera expert-1)') ? { name: 'STUDIO (Camera expert-1)', address: null } : null
      },
      receive
    },
    media: {
      encode: (request) => {
        counts.encoders++
        requests.push(request)
        let encoded = 0
        return {
          picture: (_data, capturedMs, release) => {
            release()
            encoded++
            request.onUnit([Buffer.from([0x65])], capturedMs)
          },
          figures: () => ({ encoded, skipped: 0, dropped: 0 }),
          close: async () => void counts.encoders--
        }
      },
      pictures: () => {
        counts.sinks++
        return {
          picture: (_units, capturedMs) => void shown.push({ capturedMs, atMs: clock.monotonicMs() }),
          pause: () => void pauses++,
          close: () => void counts.sinks--
        }
      },
      sound: async () => {
        if (options.sound === 'refused') throw new InfraFabricError('conference.full', 'no room')
        counts.sounds++
        return {
          push: (samples) => void heard.push(samples[0]!),
          delayMs: () => 120,
          close: async () => void counts.sounds--
        }
      }
    },
    witness: {
      record: async (event) => {
        entries.push(event)
        return { state: 'spooled' }
      }
    },
    frames: { save: async () => undefined } as never,
    clock,
    log: silentLog
  })
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: clock.now }
  /** The receiver gives a frame, or says that none came. */
  const give = async (frame: Frame | null) => {
    await settled()
    const giving = take
    take = null
    giving?.(frame)
    // a digest is made on another thread
    for (let turn = 0; turn < 50 && take === null; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
    await settled()
  }
  /** Ends all: the receiver says that no frame came. */
  const close = async (): Promise<void> => {
    const closing = ingests.close()
    await give(null)
    await closing
  }
  return {
    clock,
    entries,
    counts,
    shown,
    heard,
    requests,
    ingests,
    context,
    give,
    close,
    pauses: () => pauses,
    lose: async (code: string) => {
      await settled()
      lose?.(new InfraFabricError(code, code))
      await settled()
    },
    setPresent: (there: boolean) => {
      present = there
    },
    /** Time goes on while the receiver says every 100 ms that nothing came. */
    silence: async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        clock.advance(100)
        await give(null)
      }
    },
    names: () => entries.map(({ event }) => event)
  }
}

const request: IngestRequest = {
  conference: 'council',
  expertId: 'expert-1',
  fits: sourcePattern('STUDIO (*)'),
  format: { codec: 'h264', height: 720, mostPerSecond: 30, bitrateKbps: null },
  to: null,
  sound: false,
  holdMs: 80
}

const picture = (number: number, width = 4): VideoFrame => ({
  type: 'video',
  width,
  height: 2,
  fourCC: 'UYVY',
  frameRate: [30, 1],
  lineStride: width * 2,
  timecode: BigInt(number) * 333_333n,
  sentAt: null,
  metadata: null,
  data: new Uint8Array(width * 4).fill(number)
})

const nothing = { receivers: 0, encoders: 0, sinks: 0, sounds: 0 }

test('pictures wait until what is said with them is heard, and never overtake each other', async (t) => {
  const { clock, ingests, context, give, shown, counts, entries } = world()
  const { session } = ingests.start(context, request)
  t.is(session.state(), 'CONNECTING')
  for (let number = 0; number < 5; number++) {
    await give(picture(number))
    clock.advance(33)
  }
  t.is(session.state(), 'ACTIVE')
  clock.advance(200)
  t.deepEqual(
    shown.map(({ capturedMs, atMs }) => atMs - capturedMs),
    [80, 80, 80, 80, 80]
  )
  t.like(ingests.list()[0], { state: 'ACTIVE', source: 'STUDIO (Camera expert-1)', picture: '4x2 UYVY', received: 5, encoded: 5 })
  const closing = session.close('done')
  await give(null)
  await closing
  t.like(counts, nothing)
  t.is(clock.pending(), 0)
  t.deepEqual(ingests.list(), [])
  t.is(ingests.totals().encoded, 5)
  t.deepEqual(
    entries.map(({ event }) => event),
    ['ndi_stream_created', 'ndi_frame_published', 'ndi_stream_metadata', 'ndi_batch_complete', 'ndi_stream_closed']
  )
  t.like(entries[2]!.payload, {
    ingest: 'council',
    metadata: { 'X-IF-Trace-ID': context.traceId, 'X-IF-Expert-ID': 'expert-1', capturedAt: '2026-01-01T00:00:00.000Z' }
  })
})

test('its sound is mixed down and goes before the pictures by its own delay; a source in another size gets another encoder', async (t) => {
  const { clock, ingests, context, give, shown, heard, counts, requests, close } = world()
  ingests.start(context, { ...request, sound: true })
  await give(picture(0))
  await give({
    type: 'audio',
    sampleRateHz: 48_000,
    channels: 2,
    samples: 2,
    timecode: 0n,
    sentAt: null,
    metadata: null,
    data: Float32Array.of(0.5, 0.5, 0.25, 0.25)
  })
  t.deepEqual(heard, [0.375])
  clock.advance(120)
  t.deepEqual(
    shown.map(({ capturedMs, atMs }) => atMs - capturedMs),
    [120]
  )
  await give(picture(1, 8))
  t.deepEqual(
    requests.map(({ width }) => width),
    [4, 8]
  )
  t.is(counts.encoders, 1)
  await close()
  t.like(counts, nothing)
})

test('frames that stop degrade it after 2 s, and it recovers; after 10 s it is opened anew, and given up when the source is gone', async (t) => {
  const { clock, ingests, context, give, silence, counts, pauses, setPresent, names } = world()
  const { session } = ingests.start(context, request)
  const states: string[] = []
  session.onChange(({ state, reason }) => states.push(reason === null ? state : `${state} ${reason}`))
  await give(picture(0))
  await silence(1900)
  t.is(session.state(), 'ACTIVE')
  await silence(100)
  t.is(session.state(), 'DEGRADED')
  t.is(pauses(), 1)
  await give(picture(1))
  t.is(session.state(), 'ACTIVE')
  setPresent(false)
  await silence(10_000)
  for (const ms of [1000, 2000, 4000]) {
    await settled()
    clock.advance(ms)
    await settled()
  }
  t.is(session.state(), 'FAILED')
  const [active, silent] = ['ACTIVE', 'DEGRADED ndi.frames.stopped']
  t.deepEqual(states, [active, silent, active, silent, 'FAILED ndi.source.absent'])
  t.is(counts.finds, 4)
  t.like(counts, nothing)
  t.deepEqual(names().slice(-4), ['ndi_stream_closed', ...Array(3).fill('ndi_error')])
  await session.close('over')
  t.is(clock.pending(), 0)
})

test('a connection that breaks, and a frame that cannot be, are told and the source is opened anew', async (t) => {
  const { clock, ingests, context, give, lose, counts, names, close } = world()
  const { session } = ingests.start(context, request)
  await give(picture(0))
  await lose('ndi.receive.lost')
  t.is(session.state(), 'DEGRADED')
  t.true(names().includes('ndi_error'))
  await settled()
  clock.advance(1000)
  await give(picture(1))
  t.is(session.state(), 'ACTIVE')
  t.is(counts.finds, 2)
  await close()
  t.like(counts, nothing)
})

test('sound that the conference refuses leaves the pictures', async (t) => {
  const { clock, ingests, context, give, shown, names, close } = world({ sound: 'refused' })
  const { session } = ingests.start(context, { ...request, sound: true })
  await give(picture(0))
  clock.advance(80)
  t.is(session.state(), 'DEGRADED')
  t.is(shown.length, 1)
  t.true(names().includes('ndi_error'))
  await close()
})

test('the bridge of a call: its expert’s source; skipped without a runtime, a pattern, or room', async (t) => {
  const { ingests, context, give } = world()
  const call = { conference: 'council', expertId: 'expert-1' }
  const { format, sound, holdMs } = request
  const config = { format, sound, holdMs, pattern: 'Camera {expert}' }
  t.like(ingestBridge(() => null, config).open(context, call), { ok: false, skipped: 'ndi.runtime.absent' })
  t.like(ingestBridge(() => ingests, { ...config, pattern: null }).open(context, call), { ok: false, skipped: 'ndi.source.none' })
  const opened = ingestBridge(() => ingests, config).open(context, call)
  t.true(opened.ok)
  await give(picture(0))
  t.is(ingests.list()[0]!.state, 'ACTIVE')
  for (let more = 0; more < 3; more++) ingests.start(context, request)
  t.like(ingestBridge(() => ingests, config).open(context, call), { ok: false, skipped: 'ndi.ingest.full' })
  const h265 = { ...request, format: { ...format, codec: 'h265' } } as const
  t.throws(() => world().ingests.start(context, h265), { code: 'ndi.ingest.codec' })
})

test('names of sources: as a whole, on their machine, with stars', (t) => {
  const name = 'STUDIO (Camera 1)'
  for (const pattern of [name, 'Camera 1', '*', 'STUDIO (*)', '*(Camera 1)', 'Camera *'])
    t.true(sourcePattern(pattern)(name), pattern)
  for (const pattern of ['Camera', 'STUDIO', 'studio (camera 1)', 'STUDIO (.*)', 'Camera .', '']) {
    t.false(sourcePattern(pattern)(name), pattern)
  }
})
