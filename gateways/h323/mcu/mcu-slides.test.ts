/** What the conference itself shows, by H.239. Gatekeeper, endpoints, MCU, media plane, stages and ffmpeg are the real ones; the terminals are our own: no room system was there. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { silentLog, type WitnessEvent } from '#kernel'
import { createMediaPlane, createPictures, createStages, openSlides, type SlideShown } from '../../../media/media.ts'
import { encodeReport } from '../../../media/rtp/rtcp.ts'
import { difference, lastPictureOf, pointsOf, testStill } from '../../../media/testing/stills.ts'
import { conferenceMedia } from '../endpoint/conference-media.ts'
import type { Address } from '../endpoint/endpoint.ts'
import { textOfAddress } from '../gatekeeper/addresses.ts'
import { startBench } from '../gatekeeper/testing/fakes.ts'
import { controlCapability, type PresentationMessage, presentationMessage, presentationMessageOf } from '../h239/h239.ts'
import type { Capability, MultimediaSystemControlMessage } from '../h245/h245.ts'
import { contentVideo, type h264Video } from './h264.ts'
import { createMcu } from './mcu.ts'
import { openTerminal } from './testing/terminal.ts'

const until = async (what: () => boolean, why: string): Promise<void> => {
  for (const deadline = Date.now() + 20_000; !what(); await sleep(30)) if (Date.now() > deadline) throw new Error(why)
}

/** A screen of a terminal: keeps what comes, and reports that it came. */
async function openScreen(t: ExecutionContext) {
  const sockets = [createSocket('udp4'), createSocket('udp4')] as const
  for (const socket of sockets) {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    t.teardown(() => socket.close())
  }
  const [rtp, rtcp] = sockets
  const packets: Buffer[] = []
  rtp.on('message', (packet) => packets.push(packet))
  const at = (socket: typeof rtp): Address => ({ ip: '127.0.0.1', port: socket.address().port })
  return {
    rtp: at(rtp),
    rtcp: at(rtcp),
    packets,
    report: (to: Address) => {
      const last = packets.at(-1)!
      const block = { ssrc: last.readUInt32BE(8), fractionLost: 0, cumulativeLost: 0, extendedHighest: last.readUInt16BE(2) }
      const report = encodeReport({
        ssrc: 99,
        cname: 'screen@room',
        sender: null,
        block: { ...block, jitter: 0, lastSenderReport: 0, delaySinceLast: 0 },
        goodbye: false
      })
      rtcp.send(report, to.port, to.ip)
    }
  }
}

const said = (message: MultimediaSystemControlMessage): PresentationMessage | undefined =>
  message.type === 'unknownExtension' || !message.value.type.startsWith('generic')
    ? undefined
    : presentationMessageOf((message.value as { value: Parameters<typeof presentationMessageOf>[0] }).value)

async function scene(t: ExecutionContext) {
  const bench = await startBench()
  t.teardown(bench.close)
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [32_200, 32_239], log: silentLog, srtp: 'off' })
  t.teardown(plane.close)
  const stages = createStages(plane)
  t.teardown(stages.close)
  const pictures = createPictures(plane, { address: '127.0.0.1', portRange: [32_240, 32_319], stages, log: silentLog })
  t.teardown(pictures.close)
  const entries: WitnessEvent[] = []
  const gatekeeper = { address: textOfAddress(bench.gatekeeper.address) }
  const mcu = await createMcu({
    aliases: ['council'],
    gatekeeper,
    listen: { ip: '127.0.0.1', port: 0 },
    media: conferenceMedia(plane),
    floor: plane,
    pictures,
    guard: null,
    witness: {
      record: async (event) => {
        entries.push(event)
        return { state: 'spooled' }
      }
    },
    log: silentLog,
    conferenceOf: () => 'council',
    callerOf: (id) => ({ name: /^sip:([^@]+)@/.exec(bench.gatekeeper.call(id)!.from)![1]!, role: 'guardian' })
  })
  t.teardown(mcu.close)
  await mcu.endpoint.registered
  const shown: SlideShown[] = []
  const slides = openSlides({
    stages,
    conference: 'council',
    log: silentLog,
    onShown: (each) => shown.push(each),
    onFailed: (_, code) => t.fail(code)
  })
  t.teardown(slides.close)
  /** A terminal that takes content of a level, 0 for none, and answers who asks for the token. */
  const join = async (name: string, level: number, answers: boolean | null) => {
    const receives = (value: ReturnType<typeof h264Video>): Capability => ({ type: 'receiveVideoCapability', value })
    const capabilities = level === 0 ? [] : [receives(contentVideo(level)), controlCapability]
    const terminal = await openTerminal(t, {}, { aliases: [name], gatekeeper, capabilities })
    const screen = await openScreen(t)
    const heard: string[] = []
    let channel: { readonly number: number; readonly rtcp: Address } | null = null
    const call = terminal.endpoint.dial('council', { conference: 'room', participant: 'me', role: 'guardian' })
    const say = (message: PresentationMessage): void => call.sendH245(presentationMessage(message))
    call.onEvent((event) => {
      if (event.type !== 'h245') return
      const message = said(event.message)
      if (message === undefined) return
      heard.push(`${message.type}${'accepted' in message ? ` ${message.accepted}` : ''}`)
      if (message.type === 'presentationTokenRequest' && answers !== null)
        say({ type: 'presentationTokenResponse', terminalLabel: 0, channelId: message.channelId, accepted: answers })
    })
    call.onChannel(({ dataType, number, rtcp, sessionId }) => {
      heard.push(`channel ${sessionId}`)
      if (dataType.type !== 'videoData' || dataType.value.type !== 'extendedVideoCapability') return null
      channel = { number, rtcp: rtcp! }
      return { rtp: screen.rtp, rtcp: screen.rtcp }
    })
    call.onEvent((event) => {
      if (event.type === 'channelClosed' && !event.own) heard.push('closed')
    })
    await call.connected
    await until(() => mcu.conferences()[0]?.terminals.some(({ name: known }) => known === name) === true, `${name} is in`)
    const restrict = (bitRate: number | null) => {
      const scope = { type: 'logicalChannelNumber', value: channel!.number } as const
      const restriction =
        bitRate === null ? ({ type: 'noRestriction' } as const) : ({ type: 'maximumBitRate', value: bitRate } as const)
      call.sendH245({ type: 'command', value: { type: 'flowControlCommand', value: { scope, restriction } } })
    }
    const ask = (symmetryBreaking = 7) =>
      say({ type: 'presentationTokenRequest', terminalLabel: 0, channelId: 9, symmetryBreaking })
    return { call, screen, heard, name, say, ask, restrict, report: () => screen.report(channel!.rtcp) }
  }
  const told = (event: string) => entries.filter((entry) => entry.event === event).map(({ payload }) => payload)
  return { mcu, slides, shown, join, told }
}

const wholePictures = (packets: readonly Buffer[]): number => packets.filter((packet) => packet[1]! >> 7 === 1).length

test('each terminal that grants the token is shown the picture as it can take it; its reports confirm it', async (t) => {
  t.timeout(60_000)
  const { mcu, slides, shown, join, told } = await scene(t)
  t.is(mcu.show('nowhere'), null)
  const [tall, small] = [await join('tall', 85, true), await join('small', 29, true)]
  const [refusing, silent, deaf] = [
    await join('refusing', 71, false),
    await join('silent', 71, null),
    await join('deaf', 0, true)
  ]
  const still = testStill('png', 1600, 900)
  slides.show('picture', still)
  const showing = mcu.show('council')
  t.truthy(showing)
  t.is(mcu.show('council'), null, 'once at a time')
  await until(() => wholePictures(tall.screen.packets) >= 4 && wholePictures(small.screen.packets) >= 4, 'both see it')
  t.deepEqual(tall.heard, ['presentationTokenRequest', 'channel 32'])
  t.deepEqual(refusing.heard, ['presentationTokenRequest'])
  t.deepEqual(deaf.heard, [])
  for (const [{ screen }, width, height] of [
    [tall, 1920, 1080],
    [small, 352, 288]
  ] as const) {
    const seen = lastPictureOf(screen.packets)
    t.deepEqual([seen.width, seen.height], [width, height])
    t.true(difference(seen.pixels, pointsOf(still, width, height)) < 4)
  }
  tall.report()
  small.report()
  await until(() => shown.length === 2, 'both are confirmed')
  t.true(shown.every(({ id, isConfirmed }) => id === 'picture' && isConfirmed))
  t.deepEqual(shown.map(({ width, kbps }) => `${width} ${kbps}`).sort(), ['1920 1024', '352 128'])
  // who comes later is asked, too
  const late = await join('late', 71, true)
  await until(() => wholePictures(late.screen.packets) >= 2, 'who comes later sees it')
  // flow control to nothing, and back
  small.restrict(100)
  await until(() => small.heard.includes('flowControlReleaseRequest'), 'it is asked for more')
  await sleep(300)
  small.screen.packets.length = 0
  await sleep(1500)
  t.is(small.screen.packets.length, 0, 'no picture is better than one that takes a minute')
  small.restrict(null)
  await until(() => wholePictures(small.screen.packets) >= 2, 'and again')
  await until(() => told('h323_presentation_offered').length === 5, 'all answers are recorded')
  const answers = told('h323_presentation_offered').map(
    ({ participant, accepted }) => `${String(participant).split('-')[0]} ${accepted}`
  )
  t.deepEqual(answers.sort(), ['late true', 'refusing false', 'silent null', 'small true', 'tall true'])
  showing!.end()
  showing!.end()
  for (const { heard } of [tall, small, late])
    await until(
      () => heard.includes('closed') && heard.includes('presentationTokenRelease'),
      'the channel is closed, the token given back'
    )
  t.deepEqual(refusing.heard, ['presentationTokenRequest'])
  t.deepEqual(silent.heard, ['presentationTokenRequest'])
})

test('people come first: a terminal displaces what is shown; where there is a chair, only the chair does', async (t) => {
  t.timeout(60_000)
  const { mcu, slides, join, told } = await scene(t)
  const [one, two] = [await join('one', 71, true), await join('two', 71, true)]
  const [ends, frees]: [string[], string[]] = [[], []]
  mcu.onPresentationEnd((conference) => frees.push(conference))
  const show = () => {
    const showing = mcu.show('council')
    showing?.onEnd(() => ends.push('ended'))
    return showing
  }
  slides.show('picture', testStill('jpeg', 320, 240))
  t.truthy(show())
  await until(() => two.heard.includes('channel 32') && one.heard.includes('channel 32'), 'both are shown it')
  one.ask()
  await until(() => one.heard.includes('presentationTokenResponse true'), 'the terminal presents')
  t.deepEqual(ends, ['ended'])
  t.is(show(), null, 'and goes on until it ends')
  await until(
    () => two.heard.includes('presentationTokenIndicateOwner') && two.heard.includes('presentationTokenRelease'),
    'told'
  )
  t.false(one.heard.includes('presentationTokenRelease'), 'who has it now is not told that it is free')
  one.say({ type: 'presentationTokenRelease', terminalLabel: 0, channelId: 9 })
  await until(() => frees.length === 1, 'it is free')
  // the chair
  two.call.sendH245({ type: 'request', value: { type: 'conferenceRequest', value: { type: 'makeMeChair' } } })
  await until(() => mcu.conference('council').terminals.some(({ chair }) => chair), 'there is a chair')
  const opened = two.heard.filter((what) => what === 'channel 32').length
  t.truthy(show())
  await until(() => two.heard.filter((what) => what === 'channel 32').length > opened, 'shown again')
  one.ask()
  await until(() => one.heard.includes('presentationTokenResponse false'), 'not for anybody')
  two.ask()
  await until(() => two.heard.includes('presentationTokenResponse true'), 'the chair presents')
  t.is(ends.length, 2)
  two.call.release()
  await until(() => frees.length === 2, 'free with its end')
  t.truthy(show())
  one.call.release()
  await until(() => ends.length === 3, 'nobody is there')
  t.is(told('h323_presentation_ended').length, 2)
})
