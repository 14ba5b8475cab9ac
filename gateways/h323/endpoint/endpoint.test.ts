import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { silentLog, type Witness, type WitnessEvent } from '#kernel'
import { createMediaPlane, RtpPhone, sine, toneLevel } from '../../../media/media.ts'
import type { SignallingModes } from '../call/call.ts'
import { releaseComplete, setup } from '../call/messages.ts'
import { decision, startBench } from '../gatekeeper/testing/fakes.ts'
import { decodeQ931, encodeQ931, TpktSplitter, tpkt } from '../q931/q931.ts'
import { captured } from '../testing/vectors.ts'
import {
  type Call,
  type CallEvent,
  conferenceMedia,
  createEndpoint,
  type Endpoint,
  type EndpointConfig,
  type OpenMedia
} from './endpoint.ts'

const role = 'guardian'
/** One for the calls that go out, one for those that come in: a plane does not listen to itself. */
const planeOn = (first: number) =>
  createMediaPlane({ address: '127.0.0.1', portRange: [first, first + 199], udp: 'node', srtp: 'off', log: silentLog })
const [planeOut, planeIn] = [await planeOn(24_000), await planeOn(24_200)]
test.after.always(() => Promise.all([planeOut.close(), planeIn.close()]))

async function open(t: ExecutionContext, name: string, more: Partial<EndpointConfig> = {}): Promise<Endpoint> {
  const endpoint = await createEndpoint({
    aliases: [name],
    listen: { ip: '127.0.0.1', port: 0 },
    media: conferenceMedia(name === 'alice' ? planeOut : planeIn),
    guard: null,
    witness: null,
    log: silentLog,
    ...more
  })
  t.teardown(endpoint.close)
  return endpoint
}

/** A telephone in a conference of the plane, that says a tone and hears the others. */
async function phone(t: ExecutionContext, plane: typeof planeOut, conference: string, frequencyHz: number): Promise<RtpPhone> {
  const one = await RtpPhone.open({ codec: 'PCMU', says: sine(8000, frequencyHz, -10, 8000) })
  t.teardown(() => one.close())
  const joined = await plane.join(
    { traceId: 'a'.repeat(32), log: silentLog, signal: AbortSignal.timeout(60_000), now: Date.now },
    { conference, participant: 'phone', role, offer: one.sdp() }
  )
  if (!joined.ok) throw new Error(joined.reason)
  t.teardown(() => joined.leg.leave())
  one.talkTo(joined.sdp)
  return one
}

/** Waits until `is` is true. */
async function until(is: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 10_000; !is(); ) {
    if (Date.now() > end) throw new Error(`never: ${what}`)
    await sleep(10)
  }
}

/** Waits until a phone hears a tone. @returns the sound it was in */
async function hears(one: RtpPhone, frequencyHz: number): Promise<Int16Array> {
  let level = Number.NEGATIVE_INFINITY
  for (let tries = 40; tries > 0; tries--) {
    one.takeHeard()
    await sleep(250)
    const sound = one.takeHeard()
    level = toneLevel(sound, 8000, frequencyHz)
    if (level > -30) return sound
  }
  throw new Error(`${frequencyHz} Hz at ${level} dBFS`)
}

const listen = (call: Call): CallEvent[] => {
  const events: CallEvent[] = []
  call.onEvent((event) => void events.push(event))
  return events
}
const heard = (call: Call): boolean => call.terms()?.sends === true && call.terms()?.receives === true
const at = ({ address }: Endpoint, name = ''): string => `${name}${name === '' ? '' : '@'}127.0.0.1:${address.port}`
let rooms = 0
const room = (): string => `room-${++rooms}`

/** One call from a to b, answered, with sound both ways. */
async function call(
  a: Endpoint,
  b: Endpoint,
  target = at(b, 'bob')
): Promise<{ out: Call; into: Call; rooms: [string, string] }> {
  const places: [string, string] = [room(), room()]
  const came = new Promise<Call>((resolve) => b.onCall((one) => resolve(one)))
  const out = a.dial(target, { conference: places[0], participant: 'h323', role })
  const into = await came
  await into.alert()
  if (!(await into.answer({ conference: places[1], participant: 'h323', role }))) throw new Error('not answered')
  await out.connected
  await until(() => heard(out) && heard(into), 'sound both ways')
  return { out, into, rooms: places }
}

const withoutEvents =
  (open: OpenMedia): OpenMedia =>
  async (context, place) => {
    const opened = await open(context, place)
    if (!opened.ok) return opened
    const { sendDigit, ...media } = opened.media
    return { ok: true, media }
  }

const ways: readonly [string, Partial<SignallingModes>][] = [
  ['fast start, tunnelled', {}],
  ['fast start, H.245 by itself', { tunnelling: false }],
  ['fast start, early H.245', { earlyH245: true }],
  ['slow, tunnelled', { fastStart: false }],
  ['slow, H.245 by itself', { fastStart: false, tunnelling: false }],
  ['slow, tunnelled, early', { fastStart: false, earlyH245: true }],
  ['slow, H.245 by itself, early', { fastStart: false, tunnelling: false, earlyH245: true }],
  ['slow, a channel for both ways', { fastStart: false, bothWays: true }],
  ['H.245 in SETUP', { fastStart: false, earlyH245: true, h245InSetup: true }]
]

for (const [name, modes] of ways) {
  test.serial(`${name}: a tone goes each way, digits too, and both sides release`, async (t) => {
    // a plane that sends no telephone-events leaves digits to H.245
    const by = modes.tunnelling === false ? 'h245' : 'rtp'
    const media = (plane: typeof planeOut) => (by === 'rtp' ? conferenceMedia(plane) : withoutEvents(conferenceMedia(plane)))
    const a = await open(t, 'alice', { modes, media: media(planeOut) })
    const b = await open(t, 'bob', { modes, media: media(planeIn) })
    const { out, into, rooms: places } = await call(a, b)
    const [outEvents, inEvents] = [listen(out), listen(into)]
    const left = await phone(t, planeOut, places[0], 440)
    const right = await phone(t, planeIn, places[1], 1000)
    await hears(left, 1000)
    const atRight = await hears(right, 440)
    t.true(toneLevel(atRight, 8000, 1000) < -40, 'nobody hears itself')
    await until(() => into.isMaster() !== null && out.isMaster() !== null, 'H.245 is there')
    t.not(out.isMaster(), into.isMaster())
    out.sendDigit('7')
    into.sendDigit('#', 300)
    await until(() => inEvents.some(({ type }) => type === 'digit') && outEvents.some(({ type }) => type === 'digit'), 'digits')
    t.like(
      inEvents.find(({ type }) => type === 'digit'),
      { digit: '7', by }
    )
    t.like(
      outEvents.find(({ type }) => type === 'digit'),
      { digit: '#', by }
    )
    into.release()
    t.deepEqual(await out.ended, { cause: 16, reason: null })
    t.like(await into.ended, { cause: 16 })
    t.like(outEvents.at(-1), { type: 'released', by: 'remote' })
    t.like(inEvents.at(-1), { type: 'released', by: 'local' })
    t.deepEqual([a.calls().length, b.calls().length], [0, 0])
  })
}

test.serial('early sound: announcements before the answer', async (t) => {
  const a = await open(t, 'alice')
  const b = await open(t, 'bob')
  const places = [room(), room()] as const
  b.onCall((one) => void one.progress({ conference: places[1], participant: 'h323', role }))
  const out = a.dial(at(b), { conference: places[0], participant: 'h323', role })
  const events = listen(out)
  await until(() => heard(out), 'sound before the answer')
  t.true(events.some((event) => event.type === 'progress' && event.inBand))
  t.is(out.state(), 'outgoingCallProceeding')
  const announcing = await phone(t, planeIn, places[1], 600)
  const hearing = await phone(t, planeOut, places[0], 0)
  await hears(hearing, 600)
  t.true(announcing.port > 0)
  out.release()
  t.is((await out.ended).cause, 16)
})

test.serial('hold stops the sound, retrieve brings it back; the other side is told', async (t) => {
  const a = await open(t, 'alice')
  const b = await open(t, 'bob')
  const { out, into } = await call(a, b)
  await until(() => out.isMaster() !== null && into.isMaster() !== null, 'H.245')
  const events = listen(into)
  const outEvents = listen(out)
  out.hold()
  await until(() => out.terms()?.sends !== true && into.terms()?.sends !== true, 'silence')
  t.deepEqual(
    events.filter(({ type }) => type === 'held'),
    [{ type: 'held', held: true }]
  )
  out.retrieve()
  await until(() => heard(out) && heard(into), 'sound again')
  t.deepEqual(events.filter(({ type }) => type === 'held').at(-1), { type: 'held', held: false })
  out.requestCodec('PCMA')
  await until(() => heard(out) && heard(into) && out.terms()?.codec === 'PCMA' && into.terms()?.codec === 'PCMA', 'another codec')
  into.messageWaiting(3)
  await until(() => outEvents.some(({ type }) => type === 'messageWaiting'), 'message waiting')
  t.like(
    outEvents.find(({ type }) => type === 'messageWaiting'),
    { waiting: true, count: 3 }
  )
  out.sendDisplay('hello')
  await until(() => into.remote().display === 'hello', 'display')
})

test.serial('transfer: the peer calls somebody else, and this call ends (H.450.2)', async (t) => {
  const a = await open(t, 'alice')
  const b = await open(t, 'bob')
  const c = await open(t, 'carol')
  const { out, into } = await call(a, b)
  const events = listen(out)
  const toC = new Promise<Call>((resolve) => c.onCall((one) => resolve(one)))
  const asked = new Promise<Call>((resolve) => into.onEvent((event) => event.type === 'transfer' && resolve(event.call)))
  out.transfer(at(c, 'carol'))
  const arrived = await toC
  await arrived.answer({ conference: room(), participant: 'h323', role })
  const carried = await asked
  await carried.connected
  await out.ended
  t.true(events.some((event) => event.type === 'transferred' && event.ok))
  await until(() => heard(carried) && heard(arrived), 'sound with the third')
  t.is((await into.ended).cause, 16)
  carried.release()
  await carried.ended
})

test.serial('a transfer that leads nowhere leaves the call as it was', async (t) => {
  const a = await open(t, 'alice')
  const b = await open(t, 'bob')
  const c = await open(t, 'carol')
  c.onCall((one) => one.release(17))
  const { out, into } = await call(a, b)
  const events = listen(out)
  out.transfer(at(c, 'carol'))
  await until(() => events.some(({ type }) => type === 'transferred'), 'an answer')
  t.true(events.some((event) => event.type === 'transferred' && !event.ok))
  t.is(out.state(), 'active')
  t.true(heard(into))
})

test.serial('diversion: the caller is sent to somebody else (H.450.3)', async (t) => {
  const a = await open(t, 'alice')
  const b = await open(t, 'bob')
  const c = await open(t, 'carol')
  b.onCall((one) => one.divert(at(c, 'carol')))
  c.onCall((one) => void one.answer({ conference: room(), participant: 'h323', role }))
  const out = a.dial(at(b, 'bob'), { conference: room(), participant: 'h323', role })
  const events = listen(out)
  await out.connected
  t.deepEqual(
    events.filter(({ type }) => type === 'diverted'),
    [{ type: 'diverted', to: 'carol' }]
  )
  await until(() => heard(out), 'sound')
  t.is(c.calls().length, 1)
  await until(() => b.calls().length === 0, 'the diverting side is out of it')
})

test.serial('through a gatekeeper: aliases, admission, disengage; the guard decides there', async (t) => {
  const bench = await startBench()
  t.teardown(bench.close)
  const { address } = bench.gatekeeper
  const gatekeeper = { address: `127.0.0.1:${address.port}` }
  const events: WitnessEvent[] = []
  const witness: Witness = {
    record: async (event) => {
      events.push(event)
      return { state: 'spooled' }
    }
  }
  const a = await open(t, 'alice', { gatekeeper, witness })
  const b = await open(t, '1002', { gatekeeper, witness })
  await Promise.all([a.registered, b.registered])
  t.is(a.registration(), 'registered')
  t.is(bench.gatekeeper.endpoints().length, 2)
  const { out } = await call(a, b, '1002')
  t.is(bench.gatekeeper.calls().length, 1)
  t.is(bench.gatekeeper.calls()[0]!.traceId, out.traceId, 'one trace id for all who see the call')
  out.release()
  await out.ended
  await until(() => bench.gatekeeper.calls().length === 0, 'both have disengaged')
  t.deepEqual(
    events
      .filter(({ traceId }) => traceId === out.traceId)
      .map(({ event }) => event)
      .sort(),
    ['h323_connected', 'h323_connected', 'h323_released', 'h323_released', 'h323_setup_received', 'h323_setup_sent']
  )
  const nobody = a.dial('9999', { conference: room(), participant: 'h323', role })
  t.is((await nobody.ended).cause, 20, 'calledPartyNotRegistered')
  await t.throwsAsync(nobody.connected, { code: 'h323.call.ended' })
  const dropped = await call(a, b, '1002')
  t.true(bench.gatekeeper.drop(dropped.out.id))
  t.is((await dropped.out.ended).cause, 16)
  bench.gatekeeper.unregister(bench.gatekeeper.endpoints()[0]!.endpointId)
  await until(
    () => bench.gatekeeper.endpoints().length === 2 && a.registration() === 'registered' && b.registration() === 'registered',
    'registered again'
  )
  await a.close()
  t.is(bench.gatekeeper.endpoints().length, 1, 'unregistered')
})

test.serial('with a password: registration, admission and their answers are sealed (H.235.1)', async (t) => {
  const bench = await startBench({
    config: { users: [{ name: 'alice', password: 'a long one', aliases: ['alice'], prefixes: [] }] }
  })
  t.teardown(bench.close)
  const address = `127.0.0.1:${bench.gatekeeper.address.port}`
  const a = await open(t, 'alice', { gatekeeper: { address, user: { name: 'alice', password: 'a long one' } } })
  await a.registered
  const wrong = await open(t, 'alice', { gatekeeper: { address, user: { name: 'alice', password: 'another' } } })
  await t.throwsAsync(wrong.registered, { code: 'h323.endpoint.unregistered' })
  const none = await open(t, 'mallory', { gatekeeper: { address } })
  await t.throwsAsync(none.registered, { message: /securityDenial/ })
})

test.serial('call signalling with a hash: who does not have the password is refused', async (t) => {
  const security = { sendersID: 'zone', generalID: 'zone', password: 'shared' }
  const a = await open(t, 'alice', { security })
  const b = await open(t, 'bob', { security })
  const stranger = await open(t, 'mallory')
  const { out } = await call(a, b)
  t.is(out.state(), 'active')
  const refused = stranger.dial(at(b), { conference: room(), participant: 'h323', role })
  t.is((await refused.ended).cause, 21)
})

test.serial('without a gatekeeper the guard is asked, both ways', async (t) => {
  const asked: string[] = []
  const guard = {
    decide: async (_: unknown, request: { direction: string; toUri: string }) => {
      asked.push(`${request.direction} ${request.toUri}`)
      return decision('reject')
    }
  }
  const a = await open(t, 'alice')
  const b = await open(t, 'bob', { guard })
  b.onCall(() => t.fail('a call that was rejected is not told'))
  const out = a.dial(at(b, 'bob'), { conference: room(), participant: 'h323', role })
  t.is((await out.ended).cause, 21)
  const back = b.dial(at(a, 'alice'), { conference: room(), participant: 'h323', role })
  t.is((await back.ended).cause, 21)
  t.deepEqual(asked, ['inbound sip:bob@h323.invalid', 'outbound sip:alice@h323.invalid'])
})

test.serial('causes: nobody there, busy, no listener, a target that is none', async (t) => {
  const a = await open(t, 'alice')
  const b = await open(t, 'bob')
  const place = { conference: room(), participant: 'h323', role } as const
  t.is((await a.dial(at(b), place).ended).cause, 21, 'no listener')
  b.onCall((one) => one.release(17))
  t.deepEqual(await a.dial(at(b), place).ended, { cause: 17, reason: 'inConf' })
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  t.is((await a.dial(`127.0.0.1:${port}`, place).ended).cause, 3)
  t.throws(() => a.dial('', place), { code: 'h323.endpoint.target' })
  t.throws(() => a.dial('127.0.0.1:99999', place), { code: 'h323.endpoint.target' })
  t.is((await a.dial('nobody-known', place).ended).cause, 3, 'an alias needs a gatekeeper')
  await a.close()
  t.throws(() => a.dial(at(b), place), { code: 'h323.endpoint.closed' })
})

async function raw(
  t: ExecutionContext,
  { address }: Endpoint
): Promise<{ socket: Socket; got: () => string[]; closed: Promise<unknown> }> {
  const socket = connect(address.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  const splitter = new TpktSplitter()
  const got: string[] = []
  socket.on('data', (chunk) => {
    for (const payload of splitter.push(chunk)) got.push(String(decodeQ931(payload).messageType))
  })
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  return { socket, got: () => got, closed }
}

test.serial('strangers: rubbish, silence, one octet at a time, floods, and too many', async (t) => {
  const b = await open(t, 'bob', { limits: { slowMs: 300, pending: 2, messageOctets: 2000 } })
  b.onCall((one) => void one.alert())
  const rubbish = await raw(t, b)
  rubbish.socket.write('GET / HTTP/1.1\r\n\r\n')
  await rubbish.closed
  const large = await raw(t, b)
  large.socket.write(Buffer.from([3, 0, 0xff, 0xff]))
  await large.closed
  const silent = await raw(t, b)
  await silent.closed
  const dripping = await raw(t, b)
  const drip = setInterval(() => dripping.socket.write(Buffer.from([3])), 50)
  await dripping.closed
  clearInterval(drip)
  const noSetup = await raw(t, b)
  const identity = {
    callReference: 5,
    callReferenceFlag: false,
    callIdentifier: Buffer.alloc(16),
    conferenceId: Buffer.alloc(16)
  }
  noSetup.socket.write(tpkt(encodeQ931(releaseComplete(identity, 16, { tunnelling: false }))))
  await noSetup.closed
  const nobody = { aliases: [], endpointType: { terminal: {}, mc: false, undefinedNode: false }, display: null }
  const parts = {
    destination: [],
    destCallSignalAddress: b.address,
    sourceCallSignalAddress: b.address,
    endpointIdentifier: null
  }
  const refusals: string[] = []
  b.onEvent((event) => event.type === 'refused' && refusals.push(event.reason))
  // a SETUP is from who chose the reference, and 0 is the reference of no call
  for (const wrong of [
    { callReference: 5, callReferenceFlag: true },
    { callReference: 0, callReferenceFlag: false }
  ]) {
    const unmeant = await raw(t, b)
    unmeant.socket.write(tpkt(encodeQ931(setup({ ...identity, ...wrong }, nobody, parts, { tunnelling: false }))))
    await unmeant.closed
  }
  t.deepEqual(refusals, ['noSetup', 'noSetup'])
  const two = [await raw(t, b), await raw(t, b)]
  const third = await raw(t, b)
  await third.closed
  for (const one of two) one.socket.destroy()
  t.is(b.calls().length, 0)
})

test.serial('SETUP in pieces, rubbish behind it, and a flood: the call ends, nothing else does', async (t) => {
  const b = await open(t, 'bob', { limits: { messagesPerSecond: 30 } })
  b.onCall((one) => void one.alert())
  const setup = captured().find(({ cap, q931 }) => cap.startsWith('01-') && q931?.msgType === 5)!
  const octets = Buffer.from(setup.hex, 'hex')
  const one = await raw(t, b)
  for (let from = 0; from < octets.length; from += 50) {
    one.socket.write(octets.subarray(from, from + 50))
    await sleep(2)
  }
  await until(() => one.got().includes('alerting'), 'it rings')
  t.deepEqual(one.got().slice(0, 2), ['callProceeding', 'alerting'])
  // a user-user element that is none: after a few the call is given up
  const broken = encodeQ931({
    callReference: 0x755d,
    callReferenceFlag: false,
    messageType: 'facility',
    elements: [{ id: 0x7e, octets: Buffer.from('05ff', 'hex') }]
  })
  for (let n = 0; n < 12; n++) one.socket.write(tpkt(broken))
  await until(() => one.got().includes('releaseComplete'), 'given up')
  await until(() => b.calls().length === 0, 'over')
  const flood = await raw(t, b)
  flood.socket.write(octets)
  await until(() => flood.got().includes('alerting'), 'it rings')
  const empty = encodeQ931({ callReference: 0x755d, callReferenceFlag: false, messageType: 'notify', elements: [] })
  flood.socket.write(Buffer.concat(Array.from({ length: 100 }, () => tpkt(empty))))
  await flood.closed
  await until(() => b.calls().length === 0, 'over')
  t.pass()
})

test.serial('limits: calls at once, here and there', async (t) => {
  const a = await open(t, 'alice', { limits: { calls: 1 } })
  const b = await open(t, 'bob', { limits: { calls: 1 } })
  const c = await open(t, 'carol')
  const { out } = await call(a, b)
  const place = { conference: room(), participant: 'h323', role } as const
  t.throws(() => a.dial(at(b), place), { code: 'h323.endpoint.busy' })
  t.is((await c.dial(at(b), place).ended).cause, 42)
  t.is(out.state(), 'active')
})

test.serial('without ports the call is refused, and a call whose context ends is released', async (t) => {
  const small = await createMediaPlane({
    address: '127.0.0.1',
    portRange: [24_500, 24_501],
    udp: 'node',
    srtp: 'off',
    log: silentLog
  })
  t.teardown(small.close)
  const a = await open(t, 'alice')
  const b = await open(t, 'bob', { media: conferenceMedia(small) })
  b.onCall((one) => void one.answer({ conference: 'one', participant: `h323-${one.id}`, role }))
  const abort = new AbortController()
  const first = a.dial(at(b), { conference: room(), participant: 'h323', role, context: { signal: abort.signal } })
  await first.connected
  const second = a.dial(at(b), { conference: room(), participant: 'h323', role })
  t.is((await second.ended).cause, 47)
  abort.abort()
  t.is((await first.ended).cause, 16)
})
