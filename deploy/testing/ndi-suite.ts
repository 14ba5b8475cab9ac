/**
 * What the tests of NDI do with a whole suite in a network namespace of their own: `node ndi-suite.ts ingest|terminal|publish|absent` tells as JSON what came of it;
 * `ingest bare` goes without a browser.
 */
import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { newTraceId, silentLog } from '#kernel'
import { openEncoder, openPictureFeed, RtpPhone, sine } from '#media'
import { chromiumPath } from '#scripts/chromium.ts'
import { ifctl } from '../../cli/testing/run.ts'
import { openScreen, picturesIn, screenCapabilities, watch } from '../../gateways/h323/mcu/testing/screen.ts'
import { peer } from '../../gateways/ndi/testing/peer.ts'
import { lumaOf } from '../../media/testing/luma.ts'
import { lastPictureOf } from '../../media/testing/stills.ts'
import { openPage } from './browser.ts'
import { terminal } from './h323.ts'
import { type RunningSuite, runSuite, until } from './harness.ts'

const teardowns: (() => unknown)[] = []
/** What helpers of tests need of one. */
const t = { teardown: (act: () => unknown) => void teardowns.push(act) } as unknown as ExecutionContext

/** A participant with sound and pictures, who notes when each came. */
async function viewer({ suite }: RunningSuite) {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  /** Packets of pictures, and when the last of each came. */
  const packets: { readonly packet: Buffer; readonly atMs: number }[] = []
  socket.on('message', (packet) => {
    if (packet.length > 12 && (packet[1]! < 192 || packet[1]! > 223)) packets.push({ packet, atMs: performance.now() })
  })
  const beeps: number[] = []
  let isLoud = false
  const sound = await RtpPhone.open({
    codec: 'OPUS',
    keeps: false,
    onReceive: (samples) => {
      const at = samples.findIndex((sample) => Math.abs(sample) > 2000)
      if (at >= 0 && !isLoud) beeps.push(performance.now() + at / 48)
      isLoud = at >= 0
    }
  })
  t.teardown(() => sound.close())
  const lines = [
    `m=video ${socket.address().port} RTP/AVPF 99`,
    'a=rtpmap:99 H264/90000',
    'a=fmtp:99 packetization-mode=1;profile-level-id=42e01f',
    'a=rtcp-fb:99 nack pli',
    'a=rtcp-mux',
    'a=recvonly',
    ''
  ].join('\r\n')
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  const request = { conference: 'council', participant: 'viewer', role: 'guardian', offer: sound.sdp() + lines } as const
  const joined = await suite.inside.webrtc!.rooms.join(context, request)
  if (!joined.ok) throw new Error(joined.reason)
  sound.talkTo(joined.sdp)
  return {
    beeps,
    packets,
    /** When it became light, by the arrival of the picture's last packet. */
    flashes: async (): Promise<number[]> => {
      const pictures = await lumaOf(packets.map(({ packet }) => packet))
      const ends = packets.filter(({ packet }) => packet[1]! >> 7 === 1).map(({ atMs }) => atMs)
      return ends.filter((_, at) => (pictures[at] ?? 0) > 128 && (pictures[at - 1] ?? 255) < 128)
    },
    leave: () => joined.leg.leave()
  }
}

const scenarios: Record<string, () => Promise<object>> = {
  /** An independent sender flashes and beeps; browser and telephone see it, and hear it at the same time. */
  ingest: async () => {
    const name = `Flash ${process.pid}`
    const running = await runSuite(t, {
      webrtc: { enabled: true, port: 0, maxBrowsers: 10 },
      ndi: { enabled: true, addresses: ['127.0.0.1'], ingest: { sound: true, height: 480 } }
    })
    const { suite, entries } = running
    const data = ['--data', suite.data.folder, '--json']
    const watching = await viewer(running)
    const invited = await ifctl(['council', 'invite', 'guardian-1', '--data', suite.data.folder])
    const browser =
      chromiumPath === undefined || process.argv[3] === 'bare' ? null : await openPage(t, invited.stdout.trim(), 440)
    if (browser !== null) {
      await browser.page.click('#join')
      await browser.page.getByText('Connected', { exact: true }).waitFor({ timeout: 20_000 })
      await browser.page.click('#mute')
    }
    const sender = peer('flash', name, '60')
    t.teardown(sender.kill)
    await sender.told('sending')
    const ingest = await ifctl(['ndi', 'ingest', name, '--conference', 'council', '--expert', 'expert-safety', ...data])
    const state = () => suite.inside.ndi!.ingests.list()[0]?.state
    await until(() => state() === 'ACTIVE', 15_000, 'the source is in the conference')
    await sleep(2000)
    const pageSees =
      browser === null
        ? null
        : await browser.page.evaluate(`(async () => {
            const video = document.getElementById('picture')
            const canvas = document.createElement('canvas')
            canvas.width = canvas.height = 16
            const pen = canvas.getContext('2d', { willReadFrequently: true })
            const before = video.getVideoPlaybackQuality().totalVideoFrames
            const lights = []
            for (const until = performance.now() + 4000; performance.now() < until; ) {
              pen.drawImage(video, 0, 0, 16, 16)
              lights.push(pen.getImageData(8, 8, 1, 1).data[1])
              await new Promise((resolve) => setTimeout(resolve, 20))
            }
            const frames = video.getVideoPlaybackQuality().totalVideoFrames - before
            return { frames, darkest: Math.min(...lights), lightest: Math.max(...lights), width: video.videoWidth, height: video.videoHeight }
          })()`)
    await sleep(browser === null ? 12_000 : 2500)
    const [beeps, flashes] = [watching.beeps, await watching.flashes()]
    const skewsMs = flashes
      .slice(1)
      .map((flash) => flash - beeps.reduce((best, beep) => (Math.abs(beep - flash) < Math.abs(best - flash) ? beep : best), -1e9))
    const streams = await ifctl(['ndi', 'streams', ...data])
    const table = await ifctl(['ndi', 'streams', '--data', suite.data.folder])
    sender.kill()
    await until(() => state() === 'DEGRADED', 10_000, 'no more pictures')
    const degraded = suite.inside.ndi!.ingests.list()[0]!
    await until(() => suite.inside.webrtc!.rooms.shownTo('council', 'viewer') !== `ndi:${degraded.source}`, 2000)
    const stopped = await ifctl(['ndi', 'stop', degraded.id, ...data])
    // others wait for a source: one until its call is over, one until nobody is there
    const expert = await (await running.phone('expert-safety')).invite({ to: 'council-safety', sdp: (await running.rtp()).sdp() })
    const [call] = suite.status().calls
    const ofCall = await ifctl(['ndi', 'ingest', 'Nobody', '--trace', call!.traceId, ...data])
    const ofNone = await ifctl(['ndi', 'ingest', 'Nobody', '--trace', newTraceId(), ...data])
    await expert.bye()
    await until(() => suite.inside.ndi!.ingests.list().length === 0, 10_000, 'it has gone with its call')
    await ifctl(['ndi', 'ingest', 'Nobody', '--conference', 'council', ...data])
    await browser?.page.click('#leave')
    await until(() => suite.inside.media.roster('council').length === 1, 10_000, 'the page has left')
    await watching.leave()
    await until(() => suite.inside.ndi!.ingests.list().length === 0, 10_000, 'it has gone with the conference')
    const events = entries().filter(({ component }) => component === 'IF.witness.ndi-publisher')
    return {
      ingest: JSON.parse(ingest.stdout || 'null'),
      refused: ingest.stderr,
      pageSees,
      problems: browser?.problems ?? [],
      beeps: beeps.length,
      flashes: flashes.length,
      skewsMs: skewsMs.map(Math.round),
      streams: JSON.parse(streams.stdout),
      table: table.stdout,
      degraded,
      stopped: stopped.code,
      ofCall: JSON.parse(ofCall.stdout || 'null'),
      ofNone: ofNone.stderr,
      left: suite.inside.ndi!.list(),
      events: events.map(({ event, payload }) => ({ event, payload }))
    }
  },

  /** A room watches the source by H.323: what came is decoded. */
  terminal: async () => {
    const name = `Room ${process.pid}`
    const running = await runSuite(t, {
      edge: 'external',
      media: { srtp: 'off' },
      h323: { enabled: true, ras: 0, signalling: 0, router: 0 },
      ndi: { enabled: true, addresses: ['127.0.0.1'], ingest: { height: 480 } }
    })
    const { suite } = running
    const data = ['--data', suite.data.folder, '--json']
    const room = await terminal(t, running, 'guardian-1', 440, 'PCMU', screenCapabilities(71, 0))
    const screen = await openScreen(t)
    const call = room.endpoint.dial('council', { conference: 'room', participant: 'me', role: 'guardian' })
    watch(call, { people: screen }, null)
    await call.connected
    const sender = peer('flash', name, '60')
    t.teardown(sender.kill)
    await sender.told('sending')
    const ingest = await ifctl(['ndi', 'ingest', name, '--conference', 'council', ...data])
    await until(() => picturesIn(screen) > 100, 60_000, 'pictures at the terminal')
    const packets = [...screen.packets]
    const { participant } = suite.inside.h323!.mcu.conference('council').terminals[0]!
    const shown = suite.inside.stages.at('council', 'people')!.shownTo(participant)
    const stopped = await ifctl(['ndi', 'stop', JSON.parse(ingest.stdout).id, ...data])
    await until(
      () => suite.inside.stages.at('council', 'people')!.shownTo(participant) === null,
      10_000,
      'it is not seen any more'
    )
    screen.packets.length = 0
    await sleep(1000)
    const lights = await lumaOf(packets)
    const { width, height } = lastPictureOf(packets)
    call.release()
    await until(() => suite.inside.media.conferences().length === 0, 10_000, 'the terminal has left')
    return {
      source: suite.inside.ndi!.ingests.list().length,
      refused: ingest.stderr,
      shown,
      pictures: picturesIn({ packets }),
      decoded: lights.length,
      darkest: Math.min(...lights),
      lightest: Math.max(...lights),
      size: [width, height],
      after: screen.packets.length,
      stopped: stopped.code,
      payloadTypes: [...new Set(packets.map((packet) => packet[1]! & 0x7f))]
    }
  },

  /** Where there is no runtime. */
  absent: async () => {
    const { suite, events } = await runSuite(t, { edge: 'external', ndi: { enabled: true } })
    const answer = await ifctl(['ndi', 'streams', '--data', suite.data.folder])
    return { parts: suite.status().parts, warnings: events.filter(({ type }) => type === 'warning'), answer }
  },

  /** A conference goes out: an independent receiver sees who is seen, hears who is heard, and says that it is on air. */
  publish: async () => {
    const name = `House ${process.pid}`
    const running = await runSuite(t, {
      edge: 'external',
      ndi: { enabled: true, addresses: ['127.0.0.1'], publish: { height: 480, rate: 25 } }
    })
    const { suite, entries } = running
    const { media, ndi } = suite.inside
    const data = ['--data', suite.data.folder, '--json']
    const published = await ifctl(['ndi', 'publish', 'council', '--name', name, ...data])
    const twice = await ifctl(['ndi', 'publish', 'council', ...data])
    const before = ndi!.list().publications[0]!
    const receiver = peer('receive', name, '100')
    t.teardown(receiver.kill)
    const guardian = await RtpPhone.open({ codec: 'OPUS', keeps: false, says: sine(48_000, 1000, -12, 48_000) })
    t.teardown(() => guardian.close())
    const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
    const joined = await media.join(context, {
      conference: 'council',
      participant: 'guardian',
      role: 'guardian',
      offer: guardian.sdp()
    })
    if (!joined.ok) throw new Error(joined.reason)
    guardian.talkTo(joined.sdp)
    const camera = openPictureFeed(suite.inside.stages, 'council', 'camera')
    const encoder = openEncoder({
      codec: 'h264',
      fourCC: 'UYVY',
      width: 640,
      height: 360,
      lineStride: 1280,
      mostPerSecond: 30,
      encodedHeight: 480,
      onUnit: camera.picture,
      onEnd: () => undefined
    })
    const light = new Uint8Array(1280 * 360).map((_, at) => (at % 2 === 0 ? 128 : 200))
    const filming = setInterval(() => encoder.picture(light, performance.now(), () => undefined), 33)
    let during = ndi!.list().publications[0]!
    await until(
      () => {
        during = ndi!.list().publications[0]!
        return during.shown === 'camera' && during.sound && during.onProgram
      },
      20_000,
      'published'
    )
    const received = await receiver.told('received')
    clearInterval(filming)
    await encoder.close()
    camera.close()
    await joined.leg.leave()
    // the publication's own line does not keep the conference open
    await until(() => media.conferences().length === 0, 5000, 'the conference is over')
    await until(() => ndi!.list().publications[0]!.shown === null, 5000, 'the still picture again')
    const stopped = await ifctl(['ndi', 'stop', 'council', ...data])
    const events = entries().filter(({ component }) => component === 'IF.witness.ndi-publisher')
    return {
      published: JSON.parse(published.stdout || 'null'),
      refused: published.stderr,
      twice: twice.stderr,
      before,
      during,
      received,
      stopped: stopped.code,
      events: events.map(({ event, payload }) => ({ event, payload }))
    }
  }
}

try {
  console.log(JSON.stringify(await scenarios[process.argv[2]!]!()))
} finally {
  for (const act of teardowns.reverse()) await act()
}
