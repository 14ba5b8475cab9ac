import test from 'ava'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headerOf, requestText } from '../testing/sip-text.ts'
import { createLoadMeter } from './load-meter.ts'
import { createOverload, defaultOverloadLimits, hashOf } from './overload.ts'

const { patienceMs, targetMs, calmMs } = defaultOverloadLimits
const key = (n: number): string => `z9hG4bK-${n}-7|127.0.0.1:5060|INVITE`

function law(limits: Partial<typeof defaultOverloadLimits> = {}) {
  const at = { nowMs: 1_000_000, behindMs: 0 }
  let next = 0
  const overload = createOverload(
    { ...defaultOverloadLimits, ...limits },
    { nowMs: () => at.nowMs, behindMs: () => at.behindMs, verdictMs: 32_000 }
  )
  return {
    overload,
    at,
    /** Whether a request that never came before is taken when the process is so far behind. */
    takes: (behindMs: number, waiting = 0): boolean => {
      at.behindMs = behindMs
      return overload.admits(key(next++), waiting)
    }
  }
}

test('a burst is worked off; a backlog that stands for long is kept short until the load is gone', (t) => {
  const { takes, at, overload } = law()
  t.true(takes(patienceMs - 1))
  t.false(overload.pressed(0))
  t.true(takes(0))
  t.false(takes(patienceMs))
  t.true(overload.pressed(0))
  t.false(takes(targetMs + 1), 'the backlog is not gone')
  t.true(takes(0), 'the sockets were emptied')
  t.true(takes(targetMs))
  t.false(takes(targetMs + 1), 'patience is over')
  at.nowMs += calmMs - 1
  t.true(takes(targetMs))
  t.false(takes(targetMs + 1))
  at.nowMs += calmMs
  t.true(takes(targetMs))
  t.false(overload.pressed(0))
  t.true(takes(patienceMs - 1), 'patient again')
})

test('what was refused is refused when it comes again, for as long as its caller may repeat it', (t) => {
  const { overload, at, takes } = law()
  at.behindMs = patienceMs
  t.false(overload.admits('again', 0))
  at.behindMs = 0
  at.nowMs += 31_999
  t.false(overload.admits('again', 0))
  t.true(overload.admits('another', 0))
  t.false(takes(0, defaultOverloadLimits.waiting), 'too many wait')
  at.nowMs += 1
  t.true(overload.admits('again', 0))
})

test('hashes of keys that differ little are spread evenly', (t) => {
  const slots = new Array<number>(10).fill(0)
  const places = new Set<number>()
  for (let n = 0; n < 10_000; n++) {
    const hash = hashOf(key(n)) >>> 0
    slots[hash % 10]!++
    places.add(hash)
  }
  t.is(places.size, 10_000)
  for (const count of slots) t.true(count > 850 && count < 1150, `${count}`)
})

const listener = { transport: 'udp', address: '127.0.0.1', port: 5060 } as const
const remote = { address: '127.0.0.1', port: 5090 }

function metered() {
  let nowMs = 0
  const marked: (() => void)[] = []
  const meter = createLoadMeter(
    (_listener, reached) => void marked.push(reached),
    () => nowMs
  )
  return {
    meter,
    marked,
    /** One round of the event loop that reads so many messages and takes so long. */
    round: async (messages: number, tookMs: number, connection = 0) => {
      for (let n = 0; n < messages; n++) meter.received({ listener, remote, connection })
      nowMs += tookMs
      await new Promise((resolve) => setImmediate(resolve))
    },
    idle: (ms: number) => {
      nowMs += ms
    }
  }
}

test('the meter counts the time of rounds that leave datagrams behind, and begins anew with one that does not', async (t) => {
  const { meter, round, idle } = metered()
  for (let n = 0; n < 10; n++) await round(32, 5)
  t.is(meter.behindMs(), 50)
  await round(31, 5)
  t.is(meter.behindMs(), 0)
  await round(100, 7, 7)
  t.is(meter.behindMs(), 0, 'messages of streams are not datagrams')
  await round(32, 5)
  idle(3)
  await round(32, 5)
  t.is(meter.behindMs(), 13, 'what the loop does between two rounds belongs to them')
  idle(500)
  await round(32, 5)
  t.is(meter.behindMs(), 5, 'there was nothing to do in between')
})

test('the meter: a long round counts whatever it read, and a pause of the machine counts little', async (t) => {
  const { meter, round } = metered()
  for (let n = 0; n < 5; n++) await round(10, 100, 3)
  t.is(meter.behindMs(), 500)
  await round(10, 99, 3)
  t.is(meter.behindMs(), 0)
  await round(1, 60_000)
  t.is(meter.behindMs(), 100)
})

test('the meter: what was read up to a mark does not count, however long there has been something to read', async (t) => {
  const { meter, marked, round } = metered()
  await round(32, 10)
  t.is(marked.length, 1, 'a mark is set behind what waits')
  for (let n = 0; n < 200; n++) {
    marked.shift()!()
    // the mark is one of the datagrams that were read
    await round(31, 10)
    t.is(marked.length, 1)
    t.is(meter.behindMs(), 10)
  }
  for (let n = 0; n < 20; n++) await round(32, 10)
  t.is(marked.length, 1, 'one at a time')
  t.is(meter.behindMs(), 210, 'as long as it has not come')
  marked.shift()!()
  t.is(meter.behindMs(), 200)
  await round(30, 10)
  t.is(meter.behindMs(), 0)
})

test('the meter: a mark that does not come back is set again, and until then all counts', async (t) => {
  const { meter, marked, round } = metered()
  for (let n = 0; n < 99; n++) await round(32, 10)
  t.is(marked.length, 1)
  t.is(meter.behindMs(), 990)
  for (let n = 0; n < 3; n++) await round(32, 10)
  t.is(marked.length, 2)
  marked[1]!()
  t.true(meter.behindMs() < 20)
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
    last: () => peer.received.at(-1)!.text
  }
}

const isRefusal = (text: string): boolean => text.startsWith('SIP/2.0 503 ')

test('a loaded engine: new requests get 503 and Retry-After, calls that are up are served', (t) => {
  const s = scene()
  s.say(invite(1))
  s.answer(0, 200)
  const to = headerOf(s.last(), 'To')!

  s.load.behindMs = patienceMs
  const refused: string[] = []
  for (let n = 2; n < 52; n++) refused.push(...s.say(invite(n)).filter(isRefusal))
  refused.push(...s.say(requestText({ method: 'OPTIONS', branch: 'o1', callId: 'o1' })).filter(isRefusal))
  t.is(refused.length, 51)
  t.is(s.counters.shed, 51)
  const waits = new Set(refused.map((text) => headerOf(text, 'Retry-After')))
  t.deepEqual(
    [...waits].map(Number).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  )

  s.say(invite(1))
  s.say(requestText({ method: 'ACK', branch: 'a1', callId: 'c1', to }))
  s.say(requestText({ method: 'BYE', branch: 'y1', callId: 'c1', to, cseq: 2 }))
  t.is(s.counters.shed, 51)
  t.is(s.app.delivered().at(-1)!.sip.slice(0, 4), 'BYE ')

  s.load.behindMs = 0
  s.say(invite(99))
  t.is(s.app.delivered().at(-1)!.sip.slice(0, 7), 'INVITE ')
  s.load.behindMs = patienceMs
  t.deepEqual(
    s.say(invite(99)).map((text) => text.slice(0, 11)),
    ['SIP/2.0 100'],
    'a repeat of what was taken'
  )
  t.is(s.counters.defects, 0)
})

test('a refused INVITE that comes again is refused again, with the same tag; its ACK is taken; nothing is kept of it', (t) => {
  const s = scene()
  s.load.behindMs = patienceMs
  const [first] = s.say(invite(4))
  t.true(isRefusal(first!))
  t.deepEqual(s.say(invite(4)), [first])
  s.load.behindMs = 0
  t.deepEqual(s.say(invite(4)), [first])
  t.deepEqual(s.say(requestText({ method: 'ACK', branch: 'b4', callId: 'c4', to: headerOf(first!, 'To')! })), [])
  t.is(s.counters.stray, 0)
  t.is(s.engine.counts().serverTransactions, 0)
  s.say(requestText({ method: 'ACK', branch: 'b5', callId: 'c5', to: '<sip:bob@10.0.0.1>;tag=s0123456789abcdef0123' }))
  t.is(s.counters.stray, 1, 'the tag is not ours')
})

test('a refusal is the same, whether the request was read or not', (t) => {
  const unread = scene({ overload: { waiting: 0 } })
  const read = scene({ serverTransactions: 0 })
  const lines = (text: string, change: (line: string) => string): string => text.split('\r\n').map(change).join('\r\n')
  for (const text of [
    invite(1),
    requestText({ method: 'OPTIONS', branch: 'o1', callId: 'o1', to: '"B, \\"ob" <sip:bob@10.0.0.1;x=y>;p="q;r"' }),
    lines(invite(2), (line) => line.replace(/^Via: .*/, '$&;rport, SIP/2.0/TCP 10.1.1.1;branch=z9hG4bKz')),
    lines(invite(3), (line) =>
      line.replace(/^Via: .*/, 'v:  SIP/2.0/UDP  [2001:db8::9]:5070 ;rport;branch=z9hG4bKq;x\r\nv: SIP/2.0/TLS b')
    ),
    lines(invite(4), (line) =>
      line
        .replace(/^From: /, 'f:')
        .replace(/^To: /, 't :')
        .replace(/^Call-ID/, 'i')
    ),
    lines(invite(5), (line) => line.replace(/^Via: .*/, 'Via: SIP/2.0/UDP 10.0.0.9:5090;branch=1'))
  ]) {
    const [refusal] = unread.say(text)
    t.true(isRefusal(refusal!))
    t.deepEqual(read.say(text), [refusal])
  }
  t.deepEqual(unread.counters, read.counters)
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
