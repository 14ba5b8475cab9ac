import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type CallContext, type LegEvent, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, RtpPhone, type RtpPhoneOptions, sine, toneLevel } from '#media'
import { openBrowser, type TestBrowser } from '../testing/browser.ts'
import { type ConnectionEvent, createRooms, type RoomLeg, type RoomsConfig } from './rooms.ts'

const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
let nextPort = 24_500 + (process.pid % 20) * 200
let browser: TestBrowser

test.before(async () => {
  browser = await openBrowser()
})
test.after.always(() => browser?.close())

async function setUp(t: ExecutionContext, more: Partial<RoomsConfig> = {}) {
  const min = nextPort
  nextPort += 40
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 19], log: silentLog })
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

test.serial('a browser and a telephone hear each other, over DTLS-SRTP, and nothing is left open', async (t) => {
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
  t.true(events.some((event) => event.type === 'dtls' && event.state === 'connected'))
  const stats = await leg.leave()
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
  const { rooms, caller } = await setUp(t)
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

  await red.page.hangUp()
  await until(t, () => red.events.some(({ type }) => type === 'failed'), 'the hang-up is told')
  await until(t, () => sees(viewer.page, isBlue), 'who is gone is not seen')
  for (const { leg } of [blue, viewer]) await leg.leave()
  t.like(rooms.counts(), { routers: 0, transports: 0, producers: 0, consumers: 0 })
})
