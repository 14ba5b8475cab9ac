/**
 * A picture or a video that is shared reaches the second screen of a room and of a telephone, through the whole suite: what came is decoded by ffmpeg and
 * compared. Room and telephone are our own: no room system was there.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ifctl } from '../../cli/testing/run.ts'
import { openScreen, picturesIn, screenCapabilities, watch } from '../../gateways/h323/mcu/testing/screen.ts'
import { testClip } from '../../media/testing/clips.ts'
import { lumaOf } from '../../media/testing/luma.ts'
import { difference, lastPictureOf, pointsOf, testStill } from '../../media/testing/stills.ts'
import { terminal } from '../testing/h323.ts'
import { edgeHeaders, runSuite, temporaryFolder, until } from '../testing/harness.ts'

/** A room and a telephone with second screens, in one conference. */
async function scene(t: ExecutionContext) {
  const running = await runSuite(t, {
    edge: 'external',
    media: { srtp: 'off' },
    h323: { enabled: true, ras: 0, signalling: 0, router: 0 },
    webrtc: { enabled: true, port: 0, maxBrowsers: 4 }
  })
  const { suite, phone, rtp } = running
  const room = await terminal(t, running, 'guardian-1', 440, 'PCMU', screenCapabilities(71, 71))
  const screen = await openScreen(t)
  const call = room.endpoint.dial('council', { conference: 'room', participant: 'me', role: 'guardian' })
  const watching = watch(call, { people: await openScreen(t), content: screen }, true)
  await call.connected

  const slides = await openScreen(t)
  const sound = await rtp()
  const video = [
    `m=video ${slides.rtp.port} RTP/AVP 99`,
    'b=AS:300',
    'a=rtpmap:99 H264/90000',
    'a=fmtp:99 packetization-mode=1;profile-level-id=42e016',
    `a=rtcp:${slides.rtcp.port}`,
    'a=content:slides',
    'a=recvonly',
    ''
  ].join('\r\n')
  const expert = await (await phone('expert-safety')).invite({
    sdp: sound.sdp() + video,
    headers: () => edgeHeaders('expert-safety')
  })
  t.is(expert.status, 200)
  sound.talkTo(expert.response.body)
  t.regex(expert.response.body, /m=video [1-9]\d+ RTP\/AVP 99\r\n(?:a=.*\r\n)*a=content:slides\r\n/)
  const control = Number(/m=video (\d+)/.exec(expert.response.body)![1]) + 1
  await until(() => suite.status().calls.length === 1)
  const trace = suite.status().calls[0]!.traceId
  const data = ['--data', suite.data.folder]
  /** @returns its id */
  const share = async (file: string): Promise<string> => {
    const shared = await ifctl(['evidence', 'share', file, '--trace', trace, '--json', ...data])
    t.is(shared.code, 0, shared.stderr)
    return JSON.parse(shared.stdout).id
  }
  return {
    running,
    trace,
    data,
    share,
    watching,
    screen,
    slides,
    /** Both say that all has come. */
    report: () => {
      watching.report()
      slides.report({ ip: '127.0.0.1', port: control })
    },
    end: async () => {
      await expert.bye()
      call.release()
      await until(() => suite.inside.media.conferences().length === 0)
    }
  }
}

test('a picture is shown to a room by H.239 and to a telephone as slides; the ledger has who was shown it', async (t) => {
  t.timeout(120_000)
  const { running, trace, data, share, watching, screen, slides, report, end } = await scene(t)
  const { entriesOf } = running
  const still = testStill('png', 1280, 720)
  const file = join(await temporaryFolder(t), 'diagram.png')
  await writeFile(file, still)
  const id = await share(file)
  await until(() => picturesIn(screen) >= 4 && picturesIn(slides) >= 4, 30_000, 'both see it')
  for (const [{ packets }, width, height] of [
    [screen, 1280, 720],
    [slides, 640, 480]
  ] as const) {
    const seen = lastPictureOf(packets)
    t.deepEqual([seen.width, seen.height], [width, height])
    const far = difference(seen.pixels, pointsOf(still, width, height))
    t.true(far < 4, `${far} of 255`)
  }
  report()
  await until(() => entriesOf('evidence_shown').length === 2, 20_000, 'recorded')
  const shown = entriesOf('evidence_shown').map(({ trace_id, component, payload }) => ({
    by: payload.by,
    trace_id,
    component,
    ...payload
  }))
  const facts = { trace_id: trace, component: 'IF.bridge.evidence', evidence: id, confirmed: true }
  t.like(
    shown.find(({ by }) => by === 'h239'),
    { ...facts, width: 1280, height: 720, kbps: 1024 }
  )
  t.like(
    shown.find(({ by }) => by === 'sip'),
    { ...facts, width: 640, height: 480, kbps: 256 }
  )
  t.regex(JSON.stringify(shown), /"participant":"guardian-1/)
  const listed = JSON.parse((await ifctl(['evidence', 'list', '--trace', trace, '--json', ...data])).stdout)
  t.deepEqual(
    listed.evidence[0].deliveries.map(({ how, state }: { how: string; state: string }) => `${how} ${state}`),
    ['video received', 'video received']
  )
  t.is(entriesOf('evidence_link_given').length > 0, true, 'the links are there beside')

  // a file that only says that it is a picture
  const wrong = join(await temporaryFolder(t), 'broken.png')
  await writeFile(wrong, Buffer.concat([still.subarray(0, 100), Buffer.alloc(2000, 7)]))
  await share(wrong)
  await until(() => entriesOf('evidence_not_shown').length === 1, 30_000, 'it is told')
  t.like(entriesOf('evidence_not_shown')[0]!.payload, { code: 'media.ffmpeg.ended' })

  // what is erased goes from the screens
  t.is((await ifctl(['evidence', 'erase', id, '--reason', 'asked for', ...data])).code, 0)
  await until(
    () => watching.heard.includes('presentationTokenRelease') && watching.heard.includes('closed'),
    10_000,
    'the screen is free'
  )
  await end()
  t.is((await running.verify()).verdict, 'valid')
})

test('a video is played to both, once; a file that only says that it is one is told', async (t) => {
  t.timeout(120_000)
  const { running, trace, data, share, screen, slides, report, end } = await scene(t)
  const { entriesOf } = running
  const folder = await temporaryFolder(t)
  const id = await share(testClip(folder, 'mp4', 320, 240, 4))
  const isThrough = ({ packets }: typeof screen): boolean => picturesIn({ packets }) >= 65
  await until(() => isThrough(screen) && isThrough(slides), 30_000, 'both have seen it')
  await until(() => {
    report()
    return entriesOf('evidence_shown').length === 2
  })
  for (const { packets } of [screen, slides]) {
    const lights = await lumaOf(packets)
    const turned = lights.findIndex((light) => light > 100)
    t.true(turned > 0 && turned <= 32, `light from picture ${turned} on`)
    t.true(lights[0]! < 40 && lights.slice(turned + 1).every((light) => light > 100), 'dark, then light, and no more dark')
  }
  const facts = { evidence: id, confirmed: true }
  const shown = entriesOf('evidence_shown').map(({ payload }) => payload)
  t.like(
    shown.find(({ by }) => by === 'h239'),
    { ...facts, width: 1280, height: 720 }
  )
  t.like(
    shown.find(({ by }) => by === 'sip'),
    { ...facts, width: 640, height: 480 }
  )
  const listed = JSON.parse((await ifctl(['evidence', 'list', '--trace', trace, '--json', ...data])).stdout)
  t.deepEqual(
    listed.evidence[0].deliveries.map(({ how, state }: { how: string; state: string }) => `${how} ${state}`),
    ['video received', 'video received']
  )
  const wrong = join(folder, 'broken.mp4')
  await writeFile(wrong, Buffer.alloc(2000, 7))
  await share(wrong)
  await until(() => entriesOf('evidence_not_shown').length === 1, 30_000, 'it is told')
  t.like(entriesOf('evidence_not_shown')[0]!.payload, { code: 'media.clip.type' })
  await end()
  t.is((await running.verify()).verdict, 'valid')
})
