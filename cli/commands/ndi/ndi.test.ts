import { join } from 'node:path'
import test from 'ava'
import { isolated, missing } from '../../../gateways/ndi/testing/isolated.ts'

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

if (missing !== null) {
  test('nothing to test against', (t) => {
    t.log(`skipped: ${missing}`)
    t.pass()
  })
}

const real = missing === null ? test : test.skip

real('an attested stream is found, received, recorded and verified; one changed bit is told', async (t) => {
  const told = (await isolated(join(import.meta.dirname, '../../testing/ndi-round.ts'))) as {
    sendCode: number
    events: string
  } & Record<'found' | 'received' | 'recorded' | 'verified' | 'altered', Ended>
  t.is(told.sendCode, 0)
  t.regex(told.found.stdout, /\(Council \d+\)","address":"127\.0\.0\.1:\d+"/)
  t.is(told.received.code, 0, told.received.stderr)
  t.regex(told.received.stdout, /"size":"854x480 UYVY","samples":\d{5},"channels":1,"peak":0\.(?:1|09)/)
  t.is(told.recorded.code, 0, told.recorded.stderr)
  const { pictures } = JSON.parse(told.recorded.stdout)
  t.true(pictures > 30, `${pictures} pictures`)

  t.is(told.verified.code, 0, told.verified.stdout)
  t.deepEqual(JSON.parse(told.verified.stdout), { good: pictures, altered: [], unattested: [], missing: [], foreign: [] })
  t.is(told.altered.code, 11)
  const afterwards = JSON.parse(told.altered.stdout)
  t.is(afterwards.good, pictures - 1)
  t.is(afterwards.altered.length, 1)

  const events = told.events
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.deepEqual(
    [...new Set(events.map(({ event }) => event))],
    ['ndi_stream_created', 'ndi_stream_metadata', 'ndi_frame_published', 'ndi_batch_complete', 'ndi_stream_closed']
  )
  t.is(events.at(-1).payload.frames, 150)
})
