import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { type CallContext, newTraceId, type ParticipantRole, silentLog } from '#kernel'
import {
  type ConferenceEvent,
  createMediaPlane,
  type MediaConfig,
  type MediaPlane,
  RtpPhone,
  signalLevel,
  sine,
  sounds,
  toneLevel
} from '#media'

const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
let nextPort = 36_000 + (process.pid % 20) * 400

async function scene(t: ExecutionContext, more: Partial<MediaConfig> = {}, pairs = 20) {
  const min = nextPort
  nextPort += 2 * pairs
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 2 * pairs - 1], log: silentLog, ...more })
  t.teardown(() => media.close())
  const events: ConferenceEvent[] = []
  media.onConferenceEvent((event) => events.push(event))
  const join = async (
    participant: string,
    frequency: number | null,
    role: ParticipantRole = 'expert',
    conference = 'council'
  ) => {
    const phone = await RtpPhone.open(frequency === null ? {} : { says: sine(8000, frequency, -12, 8000) })
    t.teardown(() => phone.close())
    const joined = await media.join(context, { conference, participant, role, offer: phone.sdp() })
    if (!joined.ok) throw new Error(joined.reason)
    phone.talkTo(joined.sdp)
    return { phone, leg: joined.leg }
  }
  return { media, join, events }
}

/** Level of a tone in the loudest fifth of what is heard: a gap, because this process was held up, is no silence of the plane. */
function loudest(heard: Int16Array, frequency: number): number {
  const part = Math.max(1, Math.floor(heard.length / 5))
  return Math.max(...Array.from({ length: 5 }, (_, n) => toneLevel(heard.subarray(n * part, (n + 1) * part), 8000, frequency)))
}

async function level(phone: RtpPhone, frequency: number, ms = 500): Promise<number> {
  phone.takeHeard()
  await sleep(ms)
  return loudest(phone.takeHeard(), frequency)
}

/** Waits until it is so, for three seconds at most. */
async function until(t: ExecutionContext, what: string, is: () => boolean): Promise<void> {
  for (let n = 0; n < 150; n++) {
    if (is()) return
    await sleep(20)
  }
  t.fail(what)
}

const entry = (media: MediaPlane, participant: string) => media.roster('council').find((one) => one.participant === participant)!

test.serial(
  'thirty participants on two threads: each conference hears its own speaker, and who speaks does not hear itself',
  async (t) => {
    const { media, join, events } = await scene(t, { threads: 2 }, 40)
    const [one, other] = [
      await Promise.all(Array.from({ length: 15 }, (_, n) => join(`p${n}`, n === 0 ? 500 : null, 'expert', 'one'))),
      await Promise.all(Array.from({ length: 15 }, (_, n) => join(`p${n}`, n === 0 ? 900 : null, 'expert', 'other')))
    ]
    t.deepEqual(
      (await media.threadMetrics()).map(({ legs }) => legs),
      [15, 15]
    )
    await sleep(300)
    for (const [list, heard, unheard] of [
      [one, 500, 900],
      [other, 900, 500]
    ] as const) {
      for (const { phone } of list) phone.takeHeard()
      await sleep(400)
      for (const [n, { phone }] of list.entries()) {
        const samples = phone.takeHeard()
        t.is(loudest(samples, heard) > -16, n !== 0)
        t.true(loudest(samples, unheard) < -50)
      }
    }
    await until(t, 'who speaks leads, and nobody else', () =>
      media.roster('one').every(({ participant, speaking, dominant }) => (participant === 'p0') === (speaking && dominant))
    )
    await until(t, 'levels are shown', () => {
      const [loud, soft] = media.roster('one')
      return loud!.mixed && Math.abs(loud!.levelDbfs + 12) < 0.5 && soft!.levelDbfs < -60
    })
    t.true(events.some((event) => event.type === 'dominant' && event.conference === 'one' && event.participant === 'p0'))
  }
)

test('mutes by self and chair, and roles, are heard and told', async (t) => {
  const { media, join, events } = await scene(t)
  await join('a', 500)
  const { phone } = await join('b', null)
  await sleep(200)
  t.true((await level(phone, 500)) > -16)
  media.mute('council', 'a', true, 'chair')
  media.mute('council', 'a', true, 'chair')
  media.mute('council', 'a', true, 'self')
  media.mute('council', 'a', false, 'self')
  await sleep(100)
  t.true((await level(phone, 500)) < -50, 'the chair has the last word')
  t.like(entry(media, 'a'), { mutedByChair: true, mutedBySelf: false })
  media.mute('council', 'a', false, 'chair')
  await sleep(100)
  t.true((await level(phone, 500)) > -16)
  media.setRole('council', 'a', 'observer')
  await sleep(100)
  t.true((await level(phone, 500)) < -50)
  const { traceId } = context
  t.deepEqual(
    events.filter(({ type }) => type === 'muted' || type === 'role').map((event) => JSON.stringify(event)),
    [
      { type: 'muted', conference: 'council', participant: 'a', traceId, muted: true, by: 'chair' },
      { type: 'muted', conference: 'council', participant: 'a', traceId, muted: true, by: 'self' },
      { type: 'muted', conference: 'council', participant: 'a', traceId, muted: false, by: 'self' },
      { type: 'muted', conference: 'council', participant: 'a', traceId, muted: false, by: 'chair' },
      { type: 'role', conference: 'council', participant: 'a', traceId, role: 'observer' }
    ].map((event) => JSON.stringify(event))
  )
  t.throws(() => media.mute('council', 'nobody', true, 'self'), { code: 'media.participant.unknown' })
})

test('volume both ways is told; out of bounds is refused', async (t) => {
  const { media, join, events } = await scene(t)
  await join('a', 500)
  const { phone } = await join('b', null)
  await sleep(200)
  media.setVolume('council', 'a', { heardDb: -12 })
  await sleep(100)
  t.true(Math.abs((await level(phone, 500)) + 24) < 1)
  media.setVolume('council', 'b', { hearsDb: 6 })
  await sleep(100)
  t.true(Math.abs((await level(phone, 500)) + 18) < 1)
  t.like(entry(media, 'a'), { heardDb: -12, hearsDb: 0 })
  const told = { type: 'volume', conference: 'council', traceId: context.traceId } as const
  t.deepEqual(
    events.filter(({ type }) => type === 'volume'),
    [
      { ...told, participant: 'a', heardDb: -12, hearsDb: 0 },
      { ...told, participant: 'b', heardDb: 0, hearsDb: 6 }
    ]
  )
  for (const heardDb of [13, -61, Number.NaN])
    t.throws(() => media.setVolume('council', 'a', { heardDb }), { instanceOf: RangeError })
})

test('nobody joins a locked conference; the lock goes with the last participant', async (t) => {
  const { media, join, events } = await scene(t)
  const { leg } = await join('a', null)
  media.lock('council', true)
  t.throws(() => media.lock('elsewhere', true), { code: 'media.conference.unknown' })
  const phone = await RtpPhone.open()
  t.teardown(() => phone.close())
  const request = { conference: 'council', participant: 'b', role: 'guardian', offer: phone.sdp() } as const
  t.like(await media.join(context, request), { ok: false, code: 'conference.locked' })
  await leg.leave()
  t.like(await media.join(context, request), { ok: true })
  t.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'sending'),
    ['joined', 'locked', 'left', 'joined']
  )
})

test('keys: mute, hand, lock, volume; each with a sound, each by whom may', async (t) => {
  const { media, join, events } = await scene(t)
  const guardian = await join('guardian', 500, 'guardian')
  const observer = await join('observer', null, 'observer')
  await sleep(200)
  const press = async (phone: RtpPhone, keys: string) => {
    for (const key of keys) {
      phone.press(key)
      await sleep(60)
    }
  }
  guardian.phone.takeHeard()
  await press(guardian.phone, '*6')
  await until(t, 'muted', () => entry(media, 'guardian').mutedBySelf)
  await sleep(300)
  t.true(signalLevel(guardian.phone.takeHeard()) > -35, 'the sound says that it is done')
  t.true((await level(observer.phone, 500)) < -50)
  await press(guardian.phone, '*6')
  await until(t, 'unmuted', () => !entry(media, 'guardian').mutedBySelf)
  await press(guardian.phone, '*7')
  await press(observer.phone, '*7*5*8')
  await until(t, 'softer', () => entry(media, 'observer').hearsDb === -3)
  t.true(entry(media, 'observer').handRaised)
  t.is(events.filter(({ type }) => type === 'locked').length, 1)
})

test('announcements for all and for one, one of them cut off; entry and exit sounds', async (t) => {
  const { media, join } = await scene(t, { entrySound: sounds.entry, exitSound: sounds.exit })
  const a = await join('a', null)
  const b = await join('b', null)
  await sleep(600)
  const sound = (frequency: number, seconds: number) => ({
    samples: sine(16_000, frequency, -14, 16_000 * seconds),
    sampleRateHz: 16_000
  })
  a.phone.takeHeard()
  b.phone.takeHeard()
  t.true(await media.announce('council', sound(700, 1)))
  for (const { phone } of [a, b]) t.true(toneLevel(phone.takeHeard().subarray(1600, 6400), 8000, 700) > -17)
  const toOne = media.announce('council', sound(900, 5), 'b')
  await sleep(100)
  t.true((await level(b.phone, 900)) > -17)
  t.true(signalLevel(a.phone.takeHeard().subarray(-1600)) < -50)
  a.phone.takeHeard()
  await b.leg.leave()
  t.false(await toOne)
  await sleep(300)
  t.true(signalLevel(a.phone.takeHeard()) > -40, 'the exit is heard')
  await t.throwsAsync(media.announce('nowhere', sounds.done), { code: 'media.conference.unknown' })
  await t.throwsAsync(media.announce('council', { samples: new Int16Array(1), sampleRateHz: 7 }), { code: 'media.sound.invalid' })
})

test('more voices than places: the loudest are heard, and who gets louder takes a place', async (t) => {
  const { media, join } = await scene(t, { voices: 2, autoGain: false })
  await join('a', 500)
  await join('b', 900)
  await join('c', 1400)
  const { phone } = await join('listener', null)
  await sleep(200)
  const loud = () => [500, 900, 1400].filter((frequency) => loudest(last, frequency) > -30)
  let last: Int16Array = new Int16Array(0)
  phone.takeHeard()
  await sleep(400)
  last = phone.takeHeard()
  t.is(loud().length, 2)
  const [kept] = loud()
  media.mute('council', { 500: 'a', 900: 'b', 1400: 'c' }[kept!]!, true, 'chair')
  await sleep(200)
  phone.takeHeard()
  await sleep(400)
  last = phone.takeHeard()
  t.is(loud().length, 2)
  t.false(loud().includes(kept!))
})

test.serial('a lost thread takes its conferences with it, gives back its ports, and the others go on', async (t) => {
  const workers: Worker[] = []
  const note = (worker: Worker) => void workers.push(worker)
  process.on('worker', note)
  t.teardown(() => void process.off('worker', note))
  const { media, join, events } = await scene(t, { threads: 2 }, 4)
  await join('a', 500, 'expert', 'first')
  await join('b', null, 'expert', 'first')
  await join('c', 900, 'expert', 'second')
  const { phone } = await join('d', null, 'expert', 'second')
  await sleep(200)
  await workers[0]!.terminate()
  await until(t, 'the roster follows', () => media.roster('first').length === 0)
  t.deepEqual(media.conferences(), ['second'])
  t.is(events.filter(({ type }) => type === 'left').length, 2)
  t.true((await level(phone, 900)) > -16)
  await join('a', 500, 'expert', 'third')
  const { phone: again } = await join('b', null, 'expert', 'third')
  await sleep(200)
  t.true((await level(again, 500)) > -16, 'on the ports of the lost thread')
})

test('both ways of carrying packets serve a call', async (t) => {
  for (const udp of ['native', 'node'] as const) {
    const { media, join } = await scene(t, { udp })
    await join('a', 500)
    const { phone } = await join('b', null)
    await sleep(200)
    t.true((await level(phone, 500)) > -16)
    const expected = process.platform === 'linux' && udp === 'native' ? ['io_uring', 'native'] : ['node']
    t.true(expected.includes((await media.metrics()).udp))
  }
})
