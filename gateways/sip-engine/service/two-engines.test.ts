import test from 'ava'
import { manualClock } from '#kernel'
import { createTestEngine } from '../testing/bench.ts'
import { createFakeApplication, type FakeApplication, type ServerPayload } from '../testing/fake-application.ts'
import { createMemoryNetwork, type NetworkOptions } from '../testing/memory-network.ts'
import { shape, startLine } from '../testing/sip-text.ts'

/** Pseudo-random numbers in 0…1 from a seed, so that a failure comes again. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

type Ending = 'callerHangsUp' | 'calleeHangsUp' | 'busy' | 'cancelled' | 'reinvite' | 'reliable'
const endings: readonly Ending[] = ['callerHangsUp', 'calleeHangsUp', 'busy', 'cancelled', 'reinvite', 'reliable']

/** Two engines with an application each; `calls` calls of every kind between them; then silence until every timer has run out. */
function play(calls: number, network: NetworkOptions) {
  const clock = manualClock()
  const net = createMemoryNetwork(clock, network)
  const a = createTestEngine(clock, net, { address: '10.0.0.1' })
  const b = createTestEngine(clock, net, { address: '10.0.0.2' })
  const outcomes = new Map<string, number>()
  const count = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1)
  const endingOf = (sip: string): Ending => endings.find((ending) => sip.includes(`X-Ending: ${ending}`)) ?? 'callerHangsUp'

  const callee = createFakeApplication(b.engine, ['invite'], ({ fields, sip }, self) => {
    const [transaction, dialog] = [fields[8]!, fields[9]!]
    const respond = (line: string): void => void self.send(`sip|${transaction}|`, `SIP/2.0 ${line}\n\n`)
    switch (shape(sip)) {
      case 'INVITE': {
        if (dialog !== '') return respond('200 OK')
        const ending = endingOf(sip)
        if (ending === 'reliable') respond('183 Progress\nRequire: 100rel')
        else respond('180 Ringing')
        if (ending === 'busy') clock.after(700, () => respond('486 Busy'))
        else if (ending === 'reliable') clock.after(3000, () => respond('200 OK'))
        else if (ending !== 'cancelled') clock.after(700, () => respond('200 OK'))
        return
      }
      case 'ACK':
        count('acknowledged')
        if (endingOf(sip) === 'calleeHangsUp')
          clock.after(1000, () => self.send(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\n\n'))
        return
      case 'BYE':
        if (fields[2] === 'network') respond('200 OK')
        return
      case 'PRACK':
        count('prack')
        return respond('200 OK')
    }
  })

  const hangUp = (dialog: string, self: FakeApplication): void =>
    void self.send(`sip||${dialog}`, 'BYE sip:placeholder SIP/2.0\n\n')
  const kinds = new Map<string, Ending>()
  const reinvited = new Set<string>()
  const onCaller = ({ fields, sip }: ServerPayload, self: FakeApplication): void => {
    const [transaction, dialog] = [fields[8]!, fields[9]!]
    const ending = kinds.get(transaction)
    const what = shape(sip)
    if (what === 'BYE') {
      count(`BYE at caller ${fields[2]}`)
      if (fields[2] === 'network') self.send(`sip|${transaction}|`, 'SIP/2.0 200 OK\n\n')
    } else if (what === '180 INVITE' && ending === 'cancelled') {
      clock.after(300, () => self.send(`sip|${transaction}|`, 'CANCEL sip:bob@10.0.0.2 SIP/2.0\n\n'))
    } else if (what === '183 INVITE') {
      const rseq = /RSeq: (\d+)/.exec(sip)![1]
      const cseq = /CSeq: (\d+)/.exec(sip)![1]
      self.send(`sip||${dialog}`, `PRACK sip:x SIP/2.0\nRAck: ${rseq} ${cseq} INVITE\n\n`)
    } else if (what === '200 INVITE') {
      self.send(`sip||${dialog}`, `ACK sip:x SIP/2.0\nX-Ending: ${ending ?? 'callerHangsUp'}\n\n`)
      if (ending === 'reinvite' && !reinvited.has(dialog)) {
        reinvited.add(dialog)
        clock.after(500, () => self.send(`sip||${dialog}`, 'INVITE sip:placeholder SIP/2.0\n\n'))
      } else if (ending !== 'calleeHangsUp') clock.after(1500, () => hangUp(dialog, self))
    } else if (/^\d/.test(what) && !what.startsWith('1')) count(startLine(sip).slice(8, 11) + what.slice(3))
  }
  const caller = createFakeApplication(a.engine, [], onCaller)
  for (let index = 0; index < calls; index++) {
    const ending = endings[index % endings.length]!
    const reply = caller.send('sip||', `INVITE sip:bob@10.0.0.2 SIP/2.0\nX-Ending: ${ending}\nSupported: 100rel\n\n`)!
    const transaction = reply.fields[10]!
    kinds.set(transaction, ending)
    // The 180 may be lost: the caller gives up all the same.
    if (ending === 'cancelled')
      clock.after(20_000, () => caller.send(`sip|${transaction}|`, 'CANCEL sip:bob@10.0.0.2 SIP/2.0\n\n'))
    clock.advance(20)
  }
  clock.advance(400_000)
  return { a, b, clock, outcomes, callee }
}

test('a network that delivers: every call ends as it should', (t) => {
  const { a, b, clock, outcomes } = play(120, { delayMs: 5 })
  t.deepEqual(
    [...outcomes].sort(),
    [
      ['200 BYE', 60],
      ['200 PRACK', 20],
      ['486 INVITE', 20],
      ['487 INVITE', 20],
      ['BYE at caller network', 20],
      ['acknowledged', 100],
      ['prack', 20]
    ].sort()
  )
  for (const { engine } of [a, b]) t.deepEqual(engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
  t.is(clock.pending(), 0)
  t.is(a.counters.retransmissionsSent + b.counters.retransmissionsSent, 0)
})

for (const [name, seed, loss, double, jitterMs] of [
  ['a fifth is lost', 1, 0.2, 0, 0],
  ['messages come twice and overtake each other', 2, 0, 0.3, 400],
  ['everything at once', 3, 0.3, 0.2, 600]
] as const) {
  test(`a bad network (${name}): nothing stays behind, and calls get through`, (t) => {
    const next = random(seed)
    const { a, b, clock, outcomes } = play(300, {
      delayMs: 10,
      lose: () => next() < loss,
      copies: () => (next() < double ? 2 : 1),
      jitterMs: () => next() * jitterMs
    })
    for (const { engine } of [a, b]) t.deepEqual(engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
    t.is(clock.pending(), 0)
    t.true((outcomes.get('acknowledged') ?? 0) > 200)
    t.is(a.counters.malformed + b.counters.malformed, 0)
  })
}
