/** NDI through the whole suite, with an independent sender and receiver, in network namespaces that have nothing but loopback. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { chromiumPath } from '#scripts/chromium.ts'
import { fetchedFolder } from '../../gateways/ndi/runtime/runtime.ts'
import { isolatedFor, missing } from '../../gateways/ndi/testing/isolated.ts'

const scenario = join(import.meta.dirname, '../testing/ndi-suite.ts')
const withinMs = 150_000
const real = missing === null ? test.serial : test.serial.skip
if (missing !== null) {
  test('nothing to test against', (t) => {
    t.log(`skipped: ${missing}`)
    t.pass()
  })
}

interface Told {
  readonly event: string
  readonly payload: Record<string, unknown>
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

real('a source comes into a conference: a browser and a telephone see it, with its sound within 80 ms', async (t) => {
  t.timeout(withinMs)
  const told = (await isolatedFor(withinMs, scenario, 'ingest')) as {
    ingest: { traceId: string } | null
    refused: string
    pageSees: { frames: number; darkest: number; lightest: number; width: number } | null
    problems: string[]
    skewsMs: number[]
    streams: { ingests: { source: string; state: string; picture: string; encoded: number }[] }
    table: string
    degraded: { reason: string }
    stopped: number
    ofCall: unknown
    ofNone: string
    left: unknown
    events: Told[]
  }
  t.is(told.refused, '')
  t.deepEqual(told.problems, [])
  if (chromiumPath !== undefined) {
    t.is(told.pageSees?.width, 640)
    t.true(told.pageSees!.frames > 10, `${told.pageSees!.frames} pictures in 4 s`)
    t.true(told.pageSees!.darkest < 60 && told.pageSees!.lightest > 180, JSON.stringify(told.pageSees))
  }
  t.true(told.skewsMs.length >= 3, `${told.skewsMs}`)
  t.true(Math.abs(median(told.skewsMs)) <= 80, `${told.skewsMs}`)

  t.like(told.streams.ingests[0], { state: 'ACTIVE', picture: '640x360 UYVY' })
  t.regex(told.table, /ACTIVE {2,}VM \(Flash \d+\)|ACTIVE {2,}\S+ \(Flash \d+\)/)
  t.is(told.degraded.reason, 'ndi.frames.stopped')
  t.is(told.stopped, 0)
  t.like(told.ofCall, { conference: 'council', state: 'CONNECTING' })
  t.regex(told.ofNone, /no call with this trace id/)
  t.deepEqual(told.left, { ingests: [], publications: [] })

  const of = (name: string) => told.events.filter(({ event }) => event === name)
  t.is(told.events[0]!.event, 'ndi_stream_created')
  t.like(of('ndi_stream_metadata')[0]!.payload, {
    ingest: 'council',
    metadata: { 'X-IF-Trace-ID': told.ingest!.traceId, 'X-IF-Expert-ID': 'expert-safety', codec: 'h264' }
  })
  t.regex(JSON.stringify(of('ndi_stream_metadata')[0]!.payload), /"capturedAt":"20[\d-]+T[\d:.]+Z"/)
  t.is(of('ndi_frame_published').length, 1)
  t.true(of('ndi_batch_complete').length >= 5)
  t.is(of('ndi_stream_closed').length, 1)
})

real('a room watches a source by H.323: its pictures decode, and end with the source', async (t) => {
  t.timeout(withinMs)
  const told = (await isolatedFor(withinMs, scenario, 'terminal')) as {
    refused: string
    shown: string
    pictures: number
    decoded: number
    darkest: number
    lightest: number
    size: number[]
    after: number
    stopped: number
    payloadTypes: number[]
  }
  t.is(told.refused, '')
  t.regex(told.shown, /^ndi:.*\(Room \d+\)$/)
  t.deepEqual(told.payloadTypes, [97], 'that of the channel')
  t.deepEqual(told.size, [640, 360])
  // the last one may not be whole yet
  t.true(told.decoded >= told.pictures - 1 && told.pictures > 100, `${told.decoded} of ${told.pictures}`)
  t.true(told.darkest < 60 && told.lightest > 180, `a source that flashes: ${told.darkest} to ${told.lightest}`)
  t.is(told.stopped, 0)
  t.is(told.after, 0, 'nothing is sent any more')
})

const withoutRuntime = missing === null && process.getuid?.() === 0 ? test.serial : test.serial.skip

withoutRuntime('without a runtime the suite says so, and runs', async (t) => {
  t.timeout(withinMs)
  // the place where set-up puts one is empty
  const inside = `mount -t tmpfs none '${fetchedFolder}' && exec "$@"`
  const words = ['--mount', 'sh', '-c', inside, 'sh', process.execPath, scenario, 'absent']
  const { stdout } = await promisify(execFile)('unshare', words, { timeout: withinMs, encoding: 'utf8' })
  const told = JSON.parse(stdout.trim().split('\n').at(-1)!)
  t.like(told.parts, { media: 'running', application: 'running', ndi: 'down' })
  t.is(told.warnings[0].code, 'ndi.runtime.absent')
  t.regex(told.warnings[0].message, /sh scripts\/fetch-ndi\.sh/)
  t.is(told.answer.code, 1)
  t.regex(told.answer.stderr, /no NDI runtime/)
})

real('a conference goes out: an independent receiver sees, hears, and says that it is on air', async (t) => {
  t.timeout(withinMs)
  const told = (await isolatedFor(withinMs, scenario, 'publish')) as {
    published: { traceId: string } | null
    refused: string
    twice: string
    before: object
    during: object
    received: {
      frames: number
      size: number[]
      samples: number
      metadata: string[]
      loudest: number
      lightest: number
      darkest: number
    }
    stopped: number
    events: Told[]
  }
  t.is(told.refused, '')
  t.regex(told.twice, /published already/)
  t.like(told.before, { shown: null, sound: false, onProgram: false })
  t.like(told.during, { shown: 'camera', sound: true, onProgram: true, onPreview: false, receivers: 1 })
  const { frames, size, samples, metadata, loudest, lightest, darkest } = told.received
  t.is(frames, 100)
  t.deepEqual(size, [854, 480])
  t.true(samples >= 48_000)
  // where a loaded machine lets the sound wait, its joints are louder than the tone
  t.true(loudest > 0.15 && loudest < 0.9, `a tone of −12 dB: ${loudest}`)
  t.true(darkest < 60 && lightest > 180, `the still picture, then the camera: ${darkest} to ${lightest}`)
  const { traceId } = told.published!
  t.true(metadata.includes(`<if_stream x-if-trace-id="${traceId}" x-if-conference="council"/>`))
  t.true(metadata.some((text) => text.startsWith(`<if_attestation trace="${traceId}"`)))
  t.is(told.stopped, 0)
  t.like(told.events.at(-1), { event: 'ndi_stream_closed', payload: { reason: 'stopped', unrecorded: 0 } })
})
