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

test.serial('a browser and a telephone hear each other, keys are heard, and nothing is left open', async (t) => {
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
