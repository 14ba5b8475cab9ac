/** Which picture is on the screens, and when: by a clock, with screens that are not there. What terminals make of it is tested where they are. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { manualClock, silentLog } from '#kernel'
import { createStages } from '#media'
import type { EvidenceItem } from '#webrtc'
import { testClip } from '../../media/testing/clips.ts'
import { testStill } from '../../media/testing/stills.ts'
import { clipTypeOf, createEvidencePictures, isStill } from './pictures.ts'

const item = (id: string, mediaType = 'image/png', bytes = 100): EvidenceItem => ({
  id,
  trace: 'trace',
  name: `${id}.png`,
  mediaType,
  bytes,
  sha256: '0'.repeat(64),
  by: 'agent',
  via: 'http',
  at: '2026-01-01T00:00:00.000Z'
})

/** @param film where every video lies @param still every picture */
function scene(film = '/nowhere', still: Buffer = Buffer.alloc(1)) {
  const clock = manualClock()
  const stages = createStages({ conferences: () => ['council'], onConferenceEvent: () => undefined }, clock)
  const idle = clock.pending()
  const [read, failed]: [string[], string[]] = [[], []]
  let isFree = true
  let displace: (() => void) | null = null
  let free: (conference: string) => void = () => undefined
  let held = 0
  const pictures = createEvidencePictures({
    stages,
    present: () => {
      if (!isFree) return null
      held++
      let ended = false
      return {
        onEnd: (listener) => {
          displace = () => {
            ended = true
            isFree = false
            held--
            listener()
          }
        },
        end: () => {
          if (!ended) held--
          ended = true
        }
      }
    },
    onPresentationEnd: (listener) => {
      free = listener
    },
    read: async ({ id }) => {
      if (id.startsWith('lost')) throw new Error('not there')
      read.push(id)
      return still
    },
    locate: async ({ id }) => {
      read.push(id)
      return film
    },
    shown: () => undefined,
    failed: (call, { id }) => failed.push(`${call} ${id}`),
    clock,
    log: silentLog
  })
  const { stage, release } = stages.hold('council', 'content')
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  const taken = async () => {
    await settled()
    return read.splice(0).join(' ')
  }
  return {
    clock,
    stage,
    release,
    pictures,
    failed,
    taken,
    held: () => held,
    displace: () => displace!(),
    free: () => {
      isFree = true
      free('council')
    },
    nothingLeft: () => clock.pending() === idle
  }
}

test('PNG, JPEG, MP4 and WebM of a size that is taken are shown, other files are not', async (t) => {
  t.true(isStill(item('a')) && isStill(item('a', 'image/jpeg')))
  t.false(isStill(item('a', 'image/gif')) || isStill(item('a', 'application/pdf')) || isStill(item('a', 'image/png', 1 << 30)))
  t.is(clipTypeOf(item('a', 'video/webm')), 'video/webm')
  t.is(clipTypeOf(item('a', 'video/mp4', 1 << 30)), null)
  t.is(clipTypeOf(item('a', 'audio/mp4')), null)
  const { pictures, taken, held } = scene()
  pictures.offered('call', 'council', item('a', 'application/pdf'))
  t.is(await taken(), '')
  t.is(held(), 0)
})

test('one after the other, each for some seconds; the last stays until its call ends', async (t) => {
  const { clock, pictures, taken, held, nothingLeft } = scene()
  for (const id of ['a', 'b', 'a', 'c']) pictures.offered('call', 'council', item(id))
  pictures.offered('other', 'council', item('c'))
  t.is(await taken(), 'a')
  clock.advance(4999)
  t.is(await taken(), '')
  clock.advance(1)
  t.is(await taken(), 'b')
  clock.advance(5000)
  t.is(await taken(), 'c')
  clock.advance(60_000)
  t.is(await taken(), '', 'it stays')
  pictures.offered('call', 'council', item('d'))
  t.is(await taken(), 'd', 'at once, when the one before has been seen')
  pictures.callEnded('call')
  t.is(await taken(), 'c', 'what is left of the other call')
  t.is(held(), 1)
  pictures.callEnded('other')
  t.is(held(), 0)
  t.true(nothingLeft())
})

test('a terminal that presents comes first; what was seen comes back', async (t) => {
  const { clock, pictures, taken, held, displace, free, nothingLeft } = scene()
  pictures.offered('call', 'council', item('a'))
  t.is(await taken(), 'a')
  displace()
  pictures.offered('call', 'council', item('b'))
  clock.advance(60_000)
  t.is(await taken(), '')
  t.is(held(), 0)
  free()
  t.is(await taken(), 'a')
  clock.advance(5000)
  t.is(await taken(), 'b')
  displace()
  free()
  t.is(await taken(), 'b')
  pictures.close()
  t.is(held(), 0)
  t.true(nothingLeft())
})

test('what is erased is not seen any more; what cannot be read is told and left out', async (t) => {
  const { clock, pictures, failed, taken, held, nothingLeft } = scene()
  pictures.offered('call', 'council', item('a'))
  pictures.offered('call', 'council', item('lost'))
  pictures.offered('call', 'council', item('b'))
  t.is(await taken(), 'a')
  pictures.withdrawn('a')
  t.is(await taken(), 'b', 'the one between cannot be read')
  t.deepEqual(failed, ['call lost'])
  pictures.withdrawn('b')
  t.is(held(), 0)
  pictures.offered('call', 'council', item('lost2'))
  await taken()
  t.is(held(), 0)
  pictures.withdrawn('b')
  pictures.callEnded('call')
  clock.advance(60_000)
  t.true(nothingLeft())
})

test('a video is seen to its end before the next one comes', async (t) => {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'film-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const { clock, stage, release, pictures, failed, taken } = scene(testClip(folder, 'mp4', 160, 120, 8), testStill('png', 64, 64))
  t.teardown(release)
  let packets = 0
  const send = () => void packets++
  stage.watch('viewer', { ssrc: 1, payloadType: 98, sequence: 1, timestamp: 0, send }, clock.monotonicMs())
  pictures.offered('call', 'council', item('film', 'video/mp4'))
  pictures.offered('call', 'council', item('a'))
  t.is(await taken(), 'film')
  const read: string[] = []
  for (const deadline = Date.now() + 30_000; read.length === 0 && Date.now() < deadline; await sleep(5)) {
    const next = await taken()
    if (next !== '') read.push(`${next} after ${clock.monotonicMs() >= 8000 ? 'its end' : clock.monotonicMs()}`)
    clock.advance(20)
  }
  t.deepEqual(read, ['a after its end'])
  t.true(packets >= 120, 'each of its pictures')
  t.deepEqual(failed, [])
  pictures.close()
})
