import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type CallContext, type ConferenceLeg, type LegEvent, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, type MediaConfig, RtpPhone, type RtpPhoneOptions, sine, toneLevel } from '#media'

const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
let nextPort = 12_000 + (process.pid % 20) * 600

async function plane(t: ExecutionContext, more: Partial<MediaConfig> = {}) {
  const min = nextPort
  nextPort += 40
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 39], log: silentLog, ...more })
  t.teardown(() => media.close())
  const phone = async (options: RtpPhoneOptions = {}) => {
    const opened = await RtpPhone.open(options)
    t.teardown(() => opened.close())
    return opened
  }
  const join = async (participant: string, offer: string | null, conference = 'council') => {
    const joined = await media.join(context, { conference, participant, role: 'expert', offer })
    if (!joined.ok) throw new Error(`${joined.code}: ${joined.reason}`)
    return joined
  }
  return { media, phone, join }
}

const tones = [500, 900, 1400]
const tone = (frequency: number) => sine(8000, frequency, -12, 8000)
/** Levels at which a tone counts as heard, and as absent. */
const present = -16
const absent = -50

/** Waits until each hears steadily: 15 packets, for ten seconds at most. */
async function settle(...phones: readonly RtpPhone[]): Promise<void> {
  const before = phones.map(({ packetsReceived }) => packetsReceived)
  const settled = () => phones.every(({ packetsReceived }, n) => packetsReceived >= before[n]! + 15)
  for (let n = 0; n < 500 && !settled(); n++) await sleep(20)
}

/** Levels of the tones in the loudest fifth of what is heard: a gap, because this process was held up, is no silence of the plane. */
async function heardBy(phone: RtpPhone, ms = 600): Promise<number[]> {
  phone.takeHeard()
  await sleep(ms)
  const heard = phone.takeHeard()
  const part = Math.max(1, Math.floor(heard.length / 5))
  return tones.map((frequency) =>
    Math.max(...Array.from({ length: 5 }, (_, n) => toneLevel(heard.subarray(n * part, (n + 1) * part), 8000, frequency)))
  )
}

test('three participants: each hears the other two and not itself, over both laws', async (t) => {
  const { phone, join, media } = await plane(t)
  const phones = await Promise.all(
    tones.map((frequency, n) => phone({ says: tone(frequency), codec: n === 1 ? 'PCMA' : 'PCMU' }))
  )
  for (const [n, each] of phones.entries()) each.talkTo((await join(`p${n}`, each.sdp())).sdp)
  await settle(...phones)
  const levels = await Promise.all(phones.map((each) => heardBy(each)))
  for (const [listener, row] of levels.entries()) {
    for (const [speaker, level] of row.entries()) {
      if (speaker === listener) t.true(level < absent, `${listener} hears itself at ${level}`)
      else t.true(level > present && level < -8, `${listener} hears ${speaker} at ${level}`)
    }
  }
  t.deepEqual(
    media.roster('council').map(({ participant, codec }) => `${participant} ${codec}`),
    ['p0 PCMU', 'p1 PCMA', 'p2 PCMU']
  )
  t.is((await media.metrics()).strangers, 0)
})

test('RFC 8866 §6.4: each is sent to in the packet time that it wants, also where the others are in the express lane', async (t) => {
  const { phone, join } = await plane(t)
  const wanted = [
    { codec: 'PCMU', packetMs: 10 },
    { codec: 'PCMA', packetMs: 30 },
    { codec: 'PCMU', packetMs: 60, srtp: true },
    { codec: 'PCMU' }
  ]
  const heard = wanted.map(() => [] as number[])
  const phones = await Promise.all(
    wanted.map((options, n) =>
      phone({ ...options, says: tone(tones[0]!), onReceive: ({ length }) => heard[n]!.push(length / 8) })
    )
  )
  for (const [n, each] of phones.entries()) each.talkTo((await join(`p${n}`, each.sdp())).sdp)
  await settle(...phones)
  const levels = await Promise.all(phones.map((each) => heardBy(each)))
  for (const [n, { packetMs = 20 }] of wanted.entries()) {
    t.true(levels[n]![0]! > present, `${n} hears ${levels[n]![0]}`)
    const like = heard[n]!.filter((ms) => ms === packetMs).length
    t.true(like > 0.9 * heard[n]!.length, `${like} of ${heard[n]!.length} packets to ${n} hold ${packetMs} ms`)
    t.is(phones[n]!.packetsLost, 0)
  }
})

test('an observer hears and is not heard; a conference hears no other', async (t) => {
  const { phone, join, media } = await plane(t)
  const [speaker, observer, stranger] = await Promise.all(tones.map((frequency) => phone({ says: tone(frequency) })))
  speaker!.talkTo((await join('speaker', speaker!.sdp())).sdp)
  const joined = await media.join(context, {
    conference: 'council',
    participant: 'observer',
    role: 'observer',
    offer: observer!.sdp()
  })
  t.true(joined.ok)
  if (joined.ok) observer!.talkTo(joined.sdp)
  stranger!.talkTo((await join('elsewhere', stranger!.sdp(), 'another')).sdp)
  await settle(speaker!, observer!, stranger!)
  const [speakerHears, observerHears, strangerHears] = await Promise.all([
    heardBy(speaker!),
    heardBy(observer!),
    heardBy(stranger!)
  ])
  t.true(observerHears![0]! > present)
  t.true(speakerHears!.every((level) => level < absent))
  t.true(strangerHears!.every((level) => level < absent))
})

test('hold silences both ways, resume brings the sound back, and the version of the answer counts up', async (t) => {
  const { phone, join, media } = await plane(t)
  const [a, b] = await Promise.all(tones.slice(0, 2).map((frequency) => phone({ says: tone(frequency) })))
  const first = await join('a', a!.sdp())
  a!.talkTo(first.sdp)
  b!.talkTo((await join('b', b!.sdp())).sdp)
  await settle(a!, b!)
  t.true((await heardBy(b!))[0]! > present)
  const held = await first.leg.offered(a!.sdp('sendonly'))
  t.true(held.ok && held.held && held.sdp.includes('a=recvonly'))
  t.true(media.roster('council')[0]!.held)
  const before = a!.packetsReceived
  await sleep(100)
  const between = a!.packetsReceived
  t.true(between - before <= 3)
  t.true((await heardBy(b!))[0]! < absent)
  t.is(a!.packetsReceived, between)
  const resumed = await first.leg.offered(a!.sdp())
  t.true(resumed.ok && !resumed.held)
  await sleep(200)
  t.true((await heardBy(b!))[0]! > present)
  const versions = [first.sdp, held.ok ? held.sdp : '', resumed.ok ? resumed.sdp : ''].map((sdp) =>
    Number(/o=- \d+ (\d+)/.exec(sdp)?.[1])
  )
  t.deepEqual(versions, [1, 2, 3])
})

test('a late offer is answered in the ACK', async (t) => {
  const { phone, join } = await plane(t)
  const [a, b] = await Promise.all(tones.slice(0, 2).map((frequency) => phone({ says: tone(frequency) })))
  const joined = await join('a', null)
  t.regex(joined.sdp, /m=audio \d+ RTP\/AVP (\d+ )*0 8 /)
  a!.talkTo(joined.sdp)
  t.deepEqual(await joined.leg.answered(a!.sdp()), { ok: true, held: false })
  b!.talkTo((await join('b', b!.sdp())).sdp)
  await settle(a!, b!)
  t.true((await heardBy(b!))[0]! > present)
})

test('a key pressed is told once', async (t) => {
  const { phone, join } = await plane(t)
  const a = await phone()
  const { leg, sdp } = await join('a', a.sdp())
  const events: LegEvent[] = []
  leg.onEvent((event) => events.push(event))
  a.talkTo(sdp)
  await sleep(100)
  a.press('5')
  a.press('#')
  await sleep(400)
  t.deepEqual(events, [
    { type: 'dtmf', digit: '5', durationMs: 100 },
    { type: 'dtmf', digit: '#', durationMs: 100 }
  ])
})

test('ten thousand packets of strangers: none mixed, the stream not redirected, all counted', async (t) => {
  const { phone, join, media } = await plane(t)
  const [a, b] = await Promise.all(tones.slice(0, 2).map((frequency) => phone({ says: tone(frequency) })))
  const joined = await join('a', a!.sdp())
  a!.talkTo(joined.sdp)
  b!.talkTo((await join('b', b!.sdp())).sdp)
  await settle(a!, b!)
  const told: LegEvent[] = []
  joined.leg.onEvent((event) => told.push(event))
  const attackers = await Promise.all(Array.from({ length: 10 }, () => phone({ says: tone(1400) })))
  const port = Number(/m=audio (\d+)/.exec(joined.sdp)![1])
  const { createSocket } = await import('node:dgram')
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  for (const attacker of attackers) attacker.sendTo({ address: '127.0.0.1', port })
  const packet = Buffer.alloc(172)
  packet[0] = 0x80
  for (let n = 0; n < 10_000; n++) {
    packet.writeUInt16BE(n & 0xffff, 2)
    packet.writeUInt32BE(n % 7, 8)
    socket.send(packet, port, '127.0.0.1')
    if (n % 100 === 0) await sleep(1)
  }
  const levels = await heardBy(b!)
  t.true(levels[0]! > present, 'the participant is still heard')
  t.true(levels[2]! < absent, 'the strangers are not')
  t.true((await heardBy(a!))[1]! > present, 'the participant still hears')
  t.true(attackers.every(({ packetsReceived }) => packetsReceived === 0))
  await sleep(1100)
  t.true((await media.metrics()).strangers > 5000)
  t.true(told.some(({ type }) => type === 'strangerRejected'))
})

test('a phone behind NAT is believed after a few packets within the window, and not after it', async (t) => {
  const { phone, join } = await plane(t, { latchWindowMs: 400 })
  const [a, b, c] = await Promise.all(tones.map((frequency) => phone({ says: tone(frequency) })))
  const elsewhere = a!.sdp().replace(`m=audio ${a!.port}`, 'm=audio 9')
  a!.talkTo((await join('a', elsewhere)).sdp)
  b!.talkTo((await join('b', b!.sdp())).sdp)
  const late = await join('c', c!.sdp().replace(`m=audio ${c!.port}`, 'm=audio 9'))
  await sleep(600)
  c!.talkTo(late.sdp)
  await sleep(300)
  t.true((await heardBy(b!))[0]! > present)
  t.true((await heardBy(a!))[1]! > present)
  t.is(c!.packetsReceived, 0)
})

test('silence is told once, and not while the call is on hold', async (t) => {
  const { phone, join } = await plane(t, { mediaTimeoutMs: 300 })
  const [a, b] = await Promise.all([phone(), phone()])
  const events = { a: [] as LegEvent[], b: [] as LegEvent[] }
  const watch = (leg: ConferenceLeg, into: LegEvent[]) => leg.onEvent((event) => into.push(event))
  watch((await join('a', a.sdp())).leg, events.a)
  watch((await join('b', b.sdp('sendonly'))).leg, events.b)
  await sleep(2300)
  t.is(events.a.length, 1)
  t.is(events.a[0]!.type, 'mediaTimeout')
  t.deepEqual(events.b, [])
})

test('ports run out with a reason, and come back', async (t) => {
  const { phone, join, media } = await plane(t, { portRange: [nextPort + 20, nextPort + 23] })
  const a = await phone()
  const first = await join('a', a.sdp())
  await join('b', a.sdp())
  const third = await media.join(context, { conference: 'council', participant: 'c', role: 'expert', offer: a.sdp() })
  t.like(third, { ok: false, code: 'conference.no-ports' })
  await first.leg.leave()
  await sleep(50)
  t.truthy((await join('c', a.sdp())).leg)
})

test('a full conference and a name taken twice are refused', async (t) => {
  const { phone, join, media } = await plane(t, { maxParticipants: 1 })
  const a = await phone()
  await join('a', a.sdp())
  t.like(await media.join(context, { conference: 'council', participant: 'b', role: 'expert', offer: a.sdp() }), {
    code: 'conference.full'
  })
})

test('statistics: packets both ways, nothing lost, reports exchanged at the end', async (t) => {
  const { phone, join } = await plane(t)
  const a = await phone({ says: tone(500) })
  const { leg, sdp } = await join('a', a.sdp())
  a.talkTo(sdp)
  await settle(a)
  await settle(a)
  const stats = await leg.stats()
  t.true(stats.received.packets >= 15 && stats.sent.packets >= 15)
  t.is(stats.lost, 0)
  t.is(stats.codec, 'PCMU')
  const last = await leg.leave()
  t.true(last.received.packets >= stats.received.packets)
  t.deepEqual(await leg.leave(), last)
})

test('configuration is checked as a whole', async (t) => {
  const error = await t.throwsAsync(
    createMediaPlane({ address: 'nowhere', portRange: [5, 4], jitterTargetMs: -1, log: silentLog })
  )
  t.regex(error!.message, /address.*portRange.*jitterTargetMs/)
})
