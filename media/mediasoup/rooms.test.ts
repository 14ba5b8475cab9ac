import { createSocket } from 'node:dgram'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type CallContext, type LegEvent, newTraceId, silentLog } from '#kernel'
import {
  type ConnectionEvent,
  createMediaPlane,
  createRooms,
  type RoomLeg,
  type RoomsConfig,
  RtpPhone,
  type RtpPhoneOptions,
  sine,
  toneLevel
} from '#media'
import { asksForPicture } from '../rtp/rtcp-feedback.ts'
import { openBrowser, type TestBrowser } from '../testing/browser.ts'
import { beginsKeyFrame } from '../video/h264.ts'

const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
let nextPort = 24_500 + (process.pid % 20) * 200
let browser: TestBrowser

test.before(async () => {
  browser = await openBrowser()
})
test.after.always(() => browser?.close())

async function setUp(t: ExecutionContext, more: Partial<RoomsConfig> = {}, srtp: 'preferred' | 'required' = 'preferred') {
  const min = nextPort
  nextPort += 40
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 19], srtp, log: silentLog })
  t.teardown(() => plane.close())
  const rooms = await createRooms(plane, { portRange: [min + 20, min + 39], log: silentLog, ...more })
  t.teardown(() => rooms.close())
  const join = async (participant: string, offer: string) => {
    const joined = await rooms.join(context, { conference: 'council', participant, role: 'expert', offer })
    if (!joined.ok) throw new Error(`${joined.code}: ${joined.reason}`)
    return { ...joined, leg: joined.leg as RoomLeg }
  }
  const phone = async (options: RtpPhoneOptions = {}) => {
    const opened = await RtpPhone.open(options)
    t.teardown(() => opened.close())
    opened.talkTo((await join('phone', opened.sdp())).sdp)
    return opened
  }
  const caller = async (participant: string, frequencyHz: number, colour: string | null = null) => {
    const page = await browser.open()
    t.teardown(() => page.hangUp())
    const { leg, sdp } = await join(participant, await page.offer(frequencyHz, colour))
    const events: (LegEvent | ConnectionEvent)[] = []
    leg.onEvent((event) => events.push(event))
    leg.onConnection((event) => events.push(event))
    await page.accept(sdp)
    await until(t, async () => (await page.state()) === 'connected', `${participant} is connected`)
    return { page, leg, events }
  }
  return { plane, rooms, join, phone, caller }
}

async function until(t: ExecutionContext, done: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await done())) {
    if (performance.now() > deadline) {
      t.fail(`not within 20 s: ${what}`)
      throw new Error(what)
    }
    await sleep(100)
  }
}

test.serial('a browser and a telephone hear each other, over DTLS-SRTP, keys too, and nothing is left open', async (t) => {
  const { rooms, phone, caller } = await setUp(t)
  const telephone = await phone({ says: sine(8000, 1000, -12, 8000) })
  const { page, leg, events } = await caller('browser', 440)
  t.is(leg.codec(), 'opus')
  await until(t, async () => (await page.hears([1000]))[0]! > -40, 'the browser hears the telephone')
  t.true((await page.hears([440]))[0]! < -60, 'and not itself')
  await until(
    t,
    async () => {
      telephone.takeHeard()
      await sleep(300)
      return toneLevel(telephone.takeHeard(), 8000, 440) > -20
    },
    'the telephone hears the browser'
  )
  await page.press('7')
  await until(t, () => events.some((event) => event.type === 'dtmf' && event.digit === '7'), 'the key is heard')
  t.true(events.some((event) => event.type === 'dtls' && event.state === 'connected'))
  await until(t, async () => (await leg.stats()).quality?.peer != null, 'the browser has reported')
  const stats = await leg.leave()
  t.true(stats.roundTripMs! > 0)
  t.like(stats.quality, { peer: { jitterMs: null } })
  t.true(stats.quality!.mosListening > 1 && stats.quality!.jitterMaxMs > 0)
  t.true(stats.encrypted)
  t.true(stats.received.packets > 20)
  t.true(stats.sent.packets > 20)
  t.like(rooms.counts(), { workers: 1, routers: 0, transports: 0, producers: 0, consumers: 0 })
  const pids = await rooms.pids()
  t.is(pids.length, 1)
  await rooms.close()
  t.false(existsSync(`/proc/${pids[0]}`))
})

const isRed = ([red, green, blue]: readonly number[]) => red! > 150 && green! < 100 && blue! < 100
const isBlue = ([red, green, blue]: readonly number[]) => blue! > 150 && red! < 100 && green! < 100

test.serial('the picture follows who speaks; who speaks sees the one before; H.264 goes through as it is', async (t) => {
  const { rooms, plane, caller } = await setUp(t)
  const red = await caller('red', 440, '#f00000')
  await red.page.say(0)
  const blue = await caller('blue', 700, '#0000f0')
  await blue.page.say(0)
  const viewer = await caller('viewer', 1000, '#00f000')
  await viewer.page.say(0)
  const sees = async (page: typeof red.page, right: (colour: readonly number[]) => boolean) => right((await page.sees()) ?? [])
  const speaks = async (from: typeof red, to: typeof red) => {
    await from.page.say(0)
    await to.page.say(1)
  }

  await red.page.say(1)
  await until(t, () => rooms.shownTo('council', 'viewer') === 'red', 'the switch shows red')
  await until(t, () => sees(viewer.page, isRed), 'the viewer sees red')
  await speaks(red, blue)
  await until(t, () => sees(viewer.page, isBlue), 'the viewer sees blue')
  await until(t, () => sees(blue.page, isRed), 'blue sees red, who spoke before')
  await until(t, () => sees(red.page, isBlue), 'red sees blue')
  const before = await viewer.page.framesDecoded()
  await until(t, async () => (await viewer.page.framesDecoded()) > before + 5, 'pictures go on')
  await speaks(blue, red)
  await until(t, () => sees(viewer.page, isRed), 'the viewer sees red again')

  plane.setRole('council', 'red', 'observer')
  await until(t, () => rooms.shownTo('council', 'viewer') === 'blue', 'an observer is not seen')
  plane.setRole('council', 'red', 'guardian')

  await red.page.hangUp()
  await until(t, () => red.events.some(({ type }) => type === 'failed'), 'the hang-up is told')
  await until(t, () => sees(viewer.page, isBlue), 'who is gone is not seen')
  for (const { leg } of [blue, viewer]) await leg.leave()
  t.like(rooms.counts(), { routers: 0, transports: 0, producers: 0, consumers: 0 })
})

test.serial('a new offer: hold, resume, and another way by ICE', async (t) => {
  const { phone, caller } = await setUp(t)
  const telephone = await phone({ says: sine(8000, 1000, -12, 8000) })
  const { page, leg } = await caller('browser', 440)
  const heard = async () => {
    telephone.takeHeard()
    await sleep(300)
    return toneLevel(telephone.takeHeard(), 8000, 440)
  }
  await until(t, async () => (await heard()) > -20, 'the telephone hears the browser')
  const again = async (direction: 'inactive' | 'sendrecv', restart = false) => {
    const answer = await leg.offered(await page.offerAgain(direction, restart))
    if (!answer.ok) throw new Error(answer.reason)
    await page.accept(answer.sdp)
    return answer
  }
  t.like(await again('inactive'), { held: true })
  await until(t, async () => (await heard()) < -60, 'held, it is not heard')
  const before = /a=ice-ufrag:(\S+)/.exec(leg.localSdp())![1]
  t.like(await again('sendrecv', true), { held: false })
  t.not(/a=ice-ufrag:(\S+)/.exec(leg.localSdp())![1], before)
  await until(t, async () => (await heard()) > -20, 'and is heard again')
  t.like(await leg.offered('v=0\r\n'), { ok: false, code: 'sdp.no-audio' })
  t.like(await leg.answered(''), { ok: false, code: 'sdp.malformed' })
})

test.serial('a process of mediasoup that dies: its legs fail, a new one serves new ones', async (t) => {
  const { rooms, plane, caller } = await setUp(t)
  const { leg, events } = await caller('first', 440)
  const [pid] = await rooms.pids()
  process.kill(pid!, 'SIGKILL')
  await until(t, () => events.some(({ type }) => type === 'failed'), 'the leg fails')
  t.true((await leg.leave()).encrypted)
  await until(t, () => plane.conferences().length === 0, 'the mixer has let it go')
  t.like(rooms.counts(), { workers: 0, routers: 0, transports: 0 })
  await caller('second', 440)
  t.like(rooms.counts(), { workers: 1, routers: 1, transports: 3 })
})

test.serial('who does not connect is given up; limits are refusals; the closed refuse', async (t) => {
  const { rooms, join, plane } = await setUp(t, { connectTimeoutMs: 300, maxBrowsers: 1 })
  const page = await browser.open()
  const offer = await page.offer(440, '#f00000')
  const { leg } = await join('nobody', offer)
  const failed = new Promise<LegEvent>((resolve) => leg.onEvent(resolve))
  const request = { conference: 'council', participant: 'another', role: 'expert', offer } as const
  t.like(await rooms.join(context, request), { ok: false, code: 'conference.full' })
  t.is((await failed).type, 'failed')
  t.deepEqual(plane.conferences(), [])
  t.like(await rooms.join(context, { ...request, offer: offer.replaceAll('a=ssrc', 'a=x') }), { code: 'sdp.unsupported-profile' })
  await until(t, () => rooms.counts().routers === 0 && rooms.counts().transports === 0, 'nothing is kept of who never came')
  await page.hangUp()
  await rooms.close()
  await t.throwsAsync(rooms.join(context, request), { code: 'media.closed' })
  await t.throwsAsync(createRooms(plane, { portRange: [1, 2], workers: 0, log: silentLog }), { code: 'config.invalid' })
})

test.serial('a refusal of the mixer, and ports that are used up, leave nothing open', async (t) => {
  const { rooms, plane, phone } = await setUp(t)
  await phone()
  plane.lock('council', true)
  const page = await browser.open()
  const request = { participant: 'browser', role: 'expert', offer: await page.offer(440, null) } as const
  t.like(await rooms.join(context, { ...request, conference: 'council' }), { code: 'conference.locked' })
  const [first] = [nextPort]
  nextPort += 2
  const small = await createRooms(plane, { portRange: [first, first + 1], log: silentLog })
  t.teardown(() => small.close())
  t.true((await small.join(context, { ...request, conference: 'one' })).ok)
  t.like(await small.join(context, { ...request, conference: 'two' }), { ok: false, code: 'conference.no-ports' })
  t.like(small.counts(), { routers: 1 })
  t.like(rooms.counts(), { routers: 0, transports: 0 })
  t.deepEqual(plane.conferences().toSorted(), ['council', 'one'])
})

for (const srtp of ['preferred', 'required'] as const) {
  test.serial(`a browser is invited: the offer is ours (srtp ${srtp})`, async (t) => {
    const { rooms, phone, caller } = await setUp(t, {}, srtp)
    const telephone = await phone({ says: sine(8000, 1000, -12, 8000), srtp: srtp === 'required' })
    const other = await caller('other', 700, '#f00000')
    await other.page.say(0)
    const page = await browser.open()
    t.teardown(() => page.hangUp())
    const invited = await rooms.invite(context, { conference: 'council', participant: 'guest', role: 'expert' })
    if (!invited.ok) throw new Error(invited.reason)
    const keys: string[] = []
    invited.leg.onEvent((event) => event.type === 'dtmf' && keys.push(event.digit))
    t.like(await invited.leg.answered(invited.sdp), { ok: false, code: 'sdp.malformed' })
    t.deepEqual(await invited.leg.answered(await page.answer(invited.sdp, 440, '#0000f0')), { ok: true, held: false })
    await until(t, async () => (await page.hears([1000]))[0]! > -40, 'the guest hears the telephone')
    telephone.takeHeard()
    await until(t, async () => toneLevel(telephone.takeHeard(), 8000, 440) > -30, 'the telephone hears the guest')
    await until(t, async () => isRed((await page.sees()) ?? []), 'the guest sees the other')
    await until(t, async () => isBlue((await other.page.sees()) ?? []), 'the other sees the guest')
    await page.press('5')
    await until(t, () => keys.includes('5'), 'the key is heard')
    await invited.leg.leave()
    t.like(rooms.counts(), { routers: 1 })
  })
}

test.serial('where nothing goes in clear, the way between mediasoup and the mixer is encrypted too', async (t) => {
  const { phone, caller } = await setUp(t, {}, 'required')
  const telephone = await phone({ says: sine(8000, 1000, -12, 8000), srtp: true })
  const { page, leg } = await caller('browser', 440)
  await until(t, async () => (await page.hears([1000]))[0]! > -40, 'the browser hears the telephone')
  telephone.takeHeard()
  await until(t, async () => toneLevel(telephone.takeHeard(), 8000, 440) > -30, 'the telephone hears the browser')
  const { received } = await leg.stats()
  t.is(received.errors, 0)
})

/** The picture of a room system: says again what it has seen, as a picture of its own. */
async function videoPhone(t: ExecutionContext) {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const seen: Buffer[] = []
  const asked: string[] = []
  socket.on('message', (packet) => {
    if (packet[1]! >= 192 && packet[1]! <= 223) {
      if (asksForPicture(packet)) asked.push('picture')
    } else seen.push(packet)
  })
  let timer: NodeJS.Timeout | undefined
  t.teardown(() => {
    clearInterval(timer)
    socket.close()
  })
  const { port } = socket.address()
  return {
    seen,
    asked,
    lines: [
      `m=video ${port} RTP/AVPF 99`,
      'a=rtpmap:99 H264/90000',
      'a=fmtp:99 packetization-mode=1;profile-level-id=42e01f',
      'a=rtcp-fb:99 nack pli',
      'a=rtcp-mux',
      'a=sendrecv',
      ''
    ].join('\r\n'),
    /** Plays the first packets over and over, 30 a second; they begin with a key frame. */
    play: (remote: number) => {
      const film = seen.slice(0, 60).map((packet) => Buffer.from(packet))
      let n = 0
      timer = setInterval(() => {
        const packet = film[n % film.length]!
        packet.writeUInt16BE(n & 0xffff, 2)
        packet.writeUInt32BE((n * 3000) >>> 0, 4)
        packet.writeUInt32BE(4711, 8)
        n++
        socket.send(packet, remote, '127.0.0.1')
      }, 33)
    }
  }
}

test.serial('a room system with video: sees a browser, and is seen by another', async (t) => {
  const { rooms, join, caller } = await setUp(t)
  const sound = await RtpPhone.open()
  t.teardown(() => sound.close())
  const picture = await videoPhone(t)
  const { leg, sdp } = await join('room', sound.sdp() + picture.lines)
  t.is(leg.localSdp(), sdp)
  sound.talkTo(sdp)
  const port = Number(/m=video (\d+) RTP\/AVPF 99/.exec(sdp)![1])

  const red = await caller('red', 440, '#f00000')
  await until(t, () => picture.seen.length > 60, 'the room system sees red')
  t.true(beginsKeyFrame(picture.seen[0]!, 12, picture.seen[0]!.length))
  t.deepEqual([...new Set(picture.seen.map((packet) => packet[1]! & 0x7f))], [99])
  await red.leg.leave()

  picture.play(port)
  const viewer = await caller('viewer', 700, null)
  t.is(rooms.shownTo('council', 'viewer'), null)
  const blue = await caller('blue', 700, '#0000f0')
  await until(t, async () => isRed((await blue.page.sees()) ?? []), 'blue sees what the room system shows')
  t.true(picture.asked.length > 0)
  t.is(rooms.shownTo('council', 'blue'), 'room')

  const hold = await leg.offered(sound.sdp('inactive') + picture.lines.replace('sendrecv', 'inactive'))
  t.like(hold, { ok: true, held: true })
  t.true(hold.ok && /^o=\S+ \S+ 2 /m.test(hold.sdp), 'a changed answer has the next version')
  t.is(rooms.shownTo('council', 'blue'), null)
  for (const each of [leg, viewer.leg, blue.leg]) await each.leave()
  t.like(rooms.counts(), { routers: 0, transports: 0 })
})
