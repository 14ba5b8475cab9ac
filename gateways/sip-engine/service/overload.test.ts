import test from 'ava'
import fc from 'fast-check'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headerOf, requestText } from '../testing/sip-text.ts'
import { startLoadMeter } from './load-meter.ts'
import { createOverload, defaultOverloadLimits, type LoadSample } from './overload.ts'

const calm: LoadSample = { standingMs: 40, lagMs: 1 }
const busy: LoadSample = { standingMs: 300, lagMs: 1 }
const late: LoadSample = { standingMs: 0, lagMs: 400 }
const keys = Array.from({ length: 5000 }, (_, n) => `z9hG4bK-${n}-7|127.0.0.1:5060|INVITE`)
const taken = (overload: ReturnType<typeof createOverload>) => keys.filter((key) => overload.admits(key, 0)).length / keys.length

test('the share of new requests goes down while the loop is busy or late, and back up when it is not', (t) => {
  for (const bad of [busy, late]) {
    const overload = createOverload(defaultOverloadLimits)
    t.is(taken(overload), 1)
    for (let n = 0; n < 3; n++) overload.sampled(bad)
    t.is(overload.share(), 1, 'a hiccup costs no call')
    overload.sampled(calm)
    for (let n = 0; n < 3; n++) overload.sampled(bad)
    t.is(overload.share(), 1)
    overload.sampled(bad)
    t.true(overload.share() < 1)
    t.true(Math.abs(taken(overload) - overload.share()) < 0.03)
    for (let n = 0; n < 100; n++) overload.sampled(bad)
    t.true(overload.share() > 0 && overload.share() <= 0.02)
    t.true(taken(overload) > 0)
    for (let n = 0; n < 50; n++) overload.sampled(calm)
    t.is(taken(overload), 1)
  }
})

test('a request that is taken at a share is taken at every larger one', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.constantFrom(calm, busy, late), { maxLength: 40 }), (key, samples) => {
      const overload = createOverload(defaultOverloadLimits)
      let refusedAt = 0
      let takenAt = 1
      for (const sample of samples) {
        overload.sampled(sample)
        if (overload.admits(key, 0)) takenAt = Math.min(takenAt, overload.share())
        else refusedAt = Math.max(refusedAt, overload.share())
      }
      t.true(refusedAt <= takenAt)
    })
  )
})

test('hopeless is what is too late, until the next sample', (t) => {
  const overload = createOverload(defaultOverloadLimits)
  overload.sampled({ standingMs: 0, lagMs: 2500 })
  t.true(overload.hopeless())
  overload.sampled(late)
  t.false(overload.hopeless())
})

test('the meter tells a loop that is held up, and datagrams that are left over round after round', async (t) => {
  const samples: LoadSample[] = []
  const meter = startLoadMeter((sample) => samples.push(sample))
  t.teardown(meter.close)
  const next = async () => {
    const from = samples.length
    while (samples.length === from) await new Promise((resolve) => setTimeout(resolve, 5))
    return samples.at(-1)!
  }
  const listener = { transport: 'udp', address: '127.0.0.1', port: 5060 } as const
  const remote = { address: '127.0.0.1', port: 5090 }
  const round = (datagrams: number, connection = 0) => {
    for (let n = 0; n < datagrams; n++) meter.received({ listener, remote, connection })
    return new Promise((resolve) => setImmediate(resolve))
  }
  const until = performance.now() + 350
  while (performance.now() < until);
  t.true((await next()).lagMs > 150)
  t.true((await next()).standingMs < 50)

  const fullUntil = performance.now() + 350
  while (performance.now() < fullUntil) await round(32)
  t.true(samples.at(-1)!.standingMs > 150)
  await round(31)
  t.true((await next()).standingMs < samples.at(-2)!.standingMs)
  for (let n = 0; n < 20; n++) await round(100, 7)
  t.true((await next()).standingMs < 150)
})

const invite = (n: number): string => requestText({ method: 'INVITE', branch: `b${n}`, callId: `c${n}` })

function scene(options: Parameters<typeof createBench>[0] = {}) {
  const bench = createBench(options)
  const app = createFakeApplication(bench.engine, ['invite', 'options'])
  const peer = bench.network.peer('udp', '10.0.0.9', 5090)
  return {
    ...bench,
    app,
    /** Sends and gives what came back. */
    say: (text: string): string[] => {
      const before = peer.received.length
      peer.send(text, bench.at)
      bench.clock.advance(5)
      return peer.received.slice(before).map((each) => each.text)
    },
    answer: (shown: number, status: number): void => {
      app.send(`sip|${app.delivered()[shown]!.fields[8]}|`, `SIP/2.0 ${status} Said\nContent-Length: 0\n\n`)
      bench.clock.advance(5)
    },
    last: () => peer.received.at(-1)!.text,
    sampled: (sample: LoadSample, times = 100): void => {
      for (let n = 0; n < times; n++) bench.engine.loadSampled(sample)
    }
  }
}

const isRefusal = (text: string): boolean => text.startsWith('SIP/2.0 503 ')

test('a loaded engine: new requests get 503 and Retry-After, calls that are up are served', (t) => {
  const s = scene()
  s.say(invite(1))
  s.answer(0, 200)
  const to = headerOf(s.last(), 'To')!

  s.sampled(busy)
  const refused: string[] = []
  for (let n = 2; n < 52; n++) refused.push(...s.say(invite(n)).filter(isRefusal))
  refused.push(...s.say(requestText({ method: 'OPTIONS', branch: 'o1', callId: 'o1' })).filter(isRefusal))
  t.true(refused.length >= 45)
  t.is(s.counters.shed, refused.length)
  for (const text of refused) {
    const seconds = Number(headerOf(text, 'Retry-After'))
    t.true(Number.isInteger(seconds) && seconds >= 1 && seconds <= 10)
  }

  const shed = s.counters.shed
  s.say(invite(1))
  s.say(requestText({ method: 'ACK', branch: 'a1', callId: 'c1', to }))
  s.say(requestText({ method: 'BYE', branch: 'y1', callId: 'c1', to, cseq: 2 }))
  t.is(s.counters.shed, shed)
  t.is(s.app.delivered().at(-1)!.sip.slice(0, 4), 'BYE ')

  s.sampled(calm)
  s.say(invite(99))
  t.is(s.app.delivered().at(-1)!.sip.slice(0, 7), 'INVITE ')
})

test('a refused INVITE that comes again is refused again, with the same tag, and nothing is kept of it', (t) => {
  const s = scene()
  s.sampled(busy)
  const [first] = s.say(invite(4))
  t.true(isRefusal(first!))
  t.deepEqual(s.say(invite(4)), [first])
  t.is(s.engine.counts().serverTransactions, 0)
})

test('an application that does not answer gets no more new requests than it can hold', (t) => {
  const s = scene({ overload: { waiting: 3 } })
  for (let n = 0; n < 5; n++) s.say(invite(n))
  t.is(s.app.delivered().length, 3)
  t.is(s.counters.shed, 2)
  s.answer(0, 180)
  s.answer(0, 200)
  s.say(invite(7))
  t.is(s.app.delivered().length, 4)
  s.answer(1, 486)
  s.say(invite(8))
  t.is(s.app.delivered().length, 5)
  s.say(invite(9))
  t.is(s.counters.shed, 3)
  s.app.disconnect()
  t.true(s.last().includes('503'))
})

test('a hopelessly late engine reads no INVITE from a datagram', (t) => {
  const s = scene()
  s.sampled({ standingMs: 0, lagMs: 5000 }, 1)
  t.deepEqual(s.say(invite(1)), [])
  t.is(s.counters.shed, 1)
  s.sampled(calm)
  s.say(invite(1))
  t.is(s.app.delivered().at(-1)!.sip.slice(0, 7), 'INVITE ')
})
