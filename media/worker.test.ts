import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { type ConferenceLeg, type LegEvent, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, RtpPhone, sine, toneLevel } from '#media'
import { ExpressLane } from './express/express.ts'
import { libc } from './udp/libc.ts'
import { nativeUdp } from './udp/native.ts'

const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
let nextPort = 24_000 + (process.pid % 100) * 60

async function scene(t: ExecutionContext) {
  const workers: Worker[] = []
  const note = (worker: Worker) => void workers.push(worker)
  process.on('worker', note)
  t.teardown(() => void process.off('worker', note))
  const min = nextPort
  nextPort += 20
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 19], reportIntervalMs: 20, log: silentLog })
  t.teardown(() => media.close())
  const phones = await Promise.all([RtpPhone.open({ says: sine(8000, 500, -12, 8000) }), RtpPhone.open()])
  t.teardown(() => {
    for (const phone of phones) phone.close()
  })
  const join = async (participant: string, offer: string | null) => {
    const joined = await media.join(context, { conference: 'council', participant, role: 'expert', offer })
    if (!joined.ok) throw new Error(`${joined.code}: ${joined.reason}`)
    return joined
  }
  return { workers, media, phones, join }
}

test.serial('a lost thread fails every leg, and a new one serves new calls', async (t) => {
  const { workers, media, phones, join } = await scene(t)
  const events: LegEvent[] = []
  const before = await Promise.all(phones.map((phone, n) => join(`p${n}`, phone.sdp())))
  for (const { leg } of before) leg.onEvent((event) => events.push(event))
  await workers[0]!.terminate()
  await sleep(20)
  t.deepEqual(events, [
    { type: 'failed', reason: 'the media thread is gone' },
    { type: 'failed', reason: 'the media thread is gone' }
  ])
  t.deepEqual(media.conferences(), [])
  const [{ leg }] = before as [(typeof before)[0]]
  await t.throwsAsync(leg.offered(phones[0]!.sdp()), { code: 'media.worker.lost' })
  await t.throwsAsync(leg.answered(phones[0]!.sdp()), { code: 'media.worker.lost' })
  await t.throwsAsync(leg.stats(), { code: 'media.worker.lost' })
  const late: LegEvent[] = []
  leg.onEvent((event) => late.push(event))
  await Promise.resolve()
  t.is(late.length, 1, 'who listens late hears of it too')
  for (const { leg: each } of before) t.is((await each.leave()).sent.packets, 0)
  for (const [n, phone] of phones.entries()) phone.talkTo((await join(`p${n}`, phone.sdp())).sdp)
  t.is(workers.length, 2)
  t.deepEqual(
    media.roster('council').map(({ participant }) => participant),
    ['p0', 'p1']
  )
  await sleep(300)
  phones[1]!.takeHeard()
  await sleep(400)
  t.true(toneLevel(phones[1]!.takeHeard(), 8000, 500) > -16)
})

test.serial('calm calls of G.711 go by the express lane, and leave it for whatever else is done', async (t) => {
  const { media, phones, join } = await scene(t)
  const legs: ConferenceLeg[] = []
  for (const [n, phone] of phones.entries()) {
    const { leg, sdp } = await join(`p${n}`, phone.sdp())
    phone.talkTo(sdp)
    legs.push(leg)
  }
  const library = libc()
  const layer = library === null ? null : nativeUdp(library)
  t.teardown(() => layer?.close())
  const express = layer === null || ExpressLane.open(1, layer) === null ? 0 : 2
  const until = async (enough: () => Promise<boolean>) => {
    for (let tries = 0; tries < 200; tries++) {
      if (await enough()) return true
      await sleep(50)
    }
    return false
  }
  const hears = (level: (heard: number) => boolean) =>
    until(async () => {
      phones[1]!.takeHeard()
      await sleep(200)
      return level(toneLevel(phones[1]!.takeHeard(), 8000, 500))
    })
  t.true(await until(async () => (await media.metrics()).express === express))
  t.true(await hears((level) => level > -16))
  const before = await legs[0]!.stats()
  t.true(await until(async () => (await legs[0]!.stats()).received.packets > before.received.packets + 20))
  media.mute('council', 'p0', true, 'chair')
  t.true(await hears((level) => level < -60))
  t.true(await until(async () => (await media.metrics()).express === express))
  t.true((await legs[0]!.leave()).received.packets > before.received.packets + 20)
  t.is((await media.metrics()).legs, 1)
})

test.serial('a participant that has left takes no offers', async (t) => {
  const { phones, join } = await scene(t)
  const { leg } = await join('p', phones[0]!.sdp())
  await leg.leave()
  await t.throwsAsync(leg.offered(phones[0]!.sdp()), { code: 'media.leg.left' })
})

test.serial('a closed plane refuses to be joined, also a join under way', async (t) => {
  const { phones, media, workers } = await scene(t)
  const join = () => media.join(context, { conference: 'c', participant: 'p', role: 'expert', offer: phones[0]!.sdp() })
  const underWay = t.throwsAsync(join(), { code: 'media.closed' })
  const begun = performance.now()
  const closing = media.close()
  t.is(media.close(), closing)
  await t.throwsAsync(join(), { code: 'media.closed' })
  await closing
  t.true(performance.now() - begun < 2000, 'the thread ends by itself')
  await underWay
  await t.throwsAsync(media.metrics(), { code: 'media.closed' })
  t.deepEqual(media.conferences(), [])
  t.is(workers.length, 1)
})

test.serial('hostile ports and packets do not end the thread', async (t) => {
  const { phones, media, workers, join } = await scene(t)
  const offer = phones[0]!.sdp()
  const highest = await join('highest', offer.replace(/m=audio \d+/, 'm=audio 65535'))
  const refused = await highest.leg.offered(`${offer}a=rtcp:0\r\n`)
  t.like(refused, { ok: false, code: 'sdp.malformed' })
  const ours = /m=audio (\d+)/.exec(highest.sdp)![1]!
  const loop = await join('loop', offer.replace(/m=audio \d+/, `m=audio ${ours}`))
  const own = /m=audio (\d+)/.exec(loop.sdp)![1]!
  t.like(await loop.leg.offered(offer.replace(/m=audio \d+/, `m=audio ${own}`)), { ok: true })
  await sleep(300)
  const stats = await loop.leg.stats()
  t.true(stats.sent.packets > 5)
  t.is(stats.received.packets, 0, 'what we sent to ourselves is not taken')
  t.true((await media.metrics()).strangers > 5)
  t.is(workers.length, 1)
})

test.serial('an address that is not ours is told at once', async (t) => {
  const open = (address: string) => createMediaPlane({ address, portRange: [24_000, 24_001], log: silentLog })
  await t.throwsAsync(
    open('127.0.0.1').then((plane) => plane.close().then(() => open('192.0.2.1'))),
    { code: 'config.invalid' }
  )
  for (const address of ['0.0.0.0', '224.0.0.1', '::1']) await t.throwsAsync(open(address), { code: 'config.invalid' })
})
