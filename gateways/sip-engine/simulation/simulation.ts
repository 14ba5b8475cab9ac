/**
 * Engines with an application each, joined in memory by a network that loses, repeats and reorders, through thousands of calls of every kind
 * in simulated time. What must hold whatever the network does is checked all the way and at the end.
 */
import { manualClock } from '#kernel'
import { createTestEngine, type TestEngine } from '../testing/bench.ts'
import { createMemoryNetwork } from '../testing/memory-network.ts'
import { type Call, createPlayers, type Players } from './call.ts'
import { type CallPlan, drawPlan } from './plan.ts'
import { createRandom } from './random.ts'
import { createUser, type Incoming, type User } from './user.ts'
import { createWire } from './wire.ts'

export interface Weather {
  readonly name: string
  readonly delayMs: number
  readonly loss: number
  readonly repeats: number
  /** Added to the delay of a message, at most: messages sent later overtake it. */
  readonly jitterMs: number
}

export const weathers: readonly Weather[] = [
  { name: 'clear', delayMs: 5, loss: 0, repeats: 0, jitterMs: 0 },
  { name: 'lossy', delayMs: 10, loss: 0.08, repeats: 0, jitterMs: 10 },
  { name: 'reordering', delayMs: 10, loss: 0, repeats: 0.2, jitterMs: 500 },
  { name: 'slow', delayMs: 300, loss: 0.02, repeats: 0.02, jitterMs: 700 },
  { name: 'storm', delayMs: 10, loss: 0.2, repeats: 0.2, jitterMs: 600 }
]

export interface SimulationOptions {
  readonly seed: number
  readonly calls: number
  readonly weather: Weather
  /** New calls per simulated second. */
  readonly callsPerSecond?: number
  /** Is told every message as it is sent, with what became of it. */
  readonly trace?: (line: string) => void
}

export interface SimulationResult {
  readonly calls: number
  /** Each with the log of its call. */
  readonly violations: readonly string[]
  readonly outcomes: ReadonlyMap<string, number>
  readonly messages: number
  readonly retransmissions: number
  readonly simulatedMs: number
  /** What is left when everything should be over: all 0. */
  readonly left: Readonly<Record<string, number>>
}

const callers = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const
const proxyAddress = '10.0.0.4'
const verbs = ['invite', 'message', 'options', 'register', 'subscribe', 'refer', 'notify', 'info']
const maxReported = 20

export function simulate({ seed, calls: count, weather, callsPerSecond = 20, trace }: SimulationOptions): SimulationResult {
  const clock = manualClock()
  const random = createRandom(seed)
  const weatherRandom = createRandom(seed + 1)
  const cut = new Set<string>()
  const calls = new Map<string, Call>()
  const outcomes = new Map<string, number>()
  const violations: string[] = []

  const violation = (call: Call | null, text: string): void => {
    if (violations.length >= maxReported) return
    violations.push(
      call === null ? text : `${text}\n  call ${call.id} ${JSON.stringify(call.plan)}\n    ${call.log.join('\n    ')}`
    )
  }
  const isCut = (bytes: Buffer): boolean => {
    if (cut.size === 0) return false
    const at = bytes.indexOf('Call-ID: ')
    return at >= 0 && cut.has(bytes.toString('latin1', at + 9, bytes.indexOf(13, at)))
  }
  const wire = createWire((text) => violation(null, `${clock.monotonicMs()} ${text}`))
  const network = createMemoryNetwork(clock, {
    delayMs: weather.delayMs,
    lose: (bytes, from, to) => {
      wire.sent(bytes, from.address, to.address)
      const lost = weatherRandom.chance(weather.loss) || isCut(bytes)
      trace?.(`${clock.monotonicMs().toFixed(1)} ${from.address} → ${to.address}${lost ? ' (lost)' : ''}\n${bytes}`)
      return lost
    },
    copies: () => (weatherRandom.chance(weather.repeats) ? 2 : 1),
    jitterMs: () => weatherRandom.next() * weather.jitterMs
  })

  const engines: TestEngine[] = []
  const users: User[] = []
  let players: Players | undefined
  const add = (address: string, incoming: (user: User, incoming: Incoming) => void): User => {
    const engine = createTestEngine(clock, network, { address, serverTransactions: 1_000_000 })
    const user: User = createUser(engine.engine, address, verbs, {
      request: (each) => incoming(user, each),
      violation: (text) => violation(null, `${clock.monotonicMs()} ${text}`)
    })
    engines.push(engine)
    users.push(user)
    return user
  }
  for (const address of callers) add(address, (user, incoming) => players!.incoming(user, incoming))
  add(proxyAddress, (proxy, incoming) => {
    if (incoming.method === 'CANCEL') return
    const call = calls.get(/\r\nX-Call: (\S+)/i.exec(incoming.message.bytes.toString('latin1'))?.[1] ?? '')
    if (call?.plan.kind !== 'call') return violation(null, `the proxy is shown ${incoming.message.bytes}`)
    const remain = call.plan.recordRoute ? 'remainInDialog' : ''
    const destinations = callers.filter((each) => each !== call.caller.address).map((each) => `sip:bob@${each}`)
    const order = `proxy|${incoming.transactionId}|${remain}|fullResponse||simultaneous|||${destinations.join('|')}`
    proxy.command(order, `INVITE ${destinations[0]} SIP/2.0`, (fields) => {
      if (fields[3] !== 'OK') violation(call, `the proxy is told ${fields.slice(3).join('|')}`)
    })
  })
  players = createPlayers(
    {
      clock,
      random,
      violation,
      calm: weather.loss === 0 && weather.jitterMs === 0,
      count: (what) => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1),
      cut: (callId) => void cut.add(callId)
    },
    calls
  )

  for (let index = 0; index < count; index++) {
    const plan = drawPlan(random)
    const caller = users[random.between(0, callers.length - 1)]!
    const others = callers.filter((each) => each !== caller.address)
    const target = plan.kind === 'call' && plan.forked ? proxyAddress : random.pick(others)
    const call: Call = { id: `c${index}`, plan, caller, legs: [], log: [], final: 0, cancelled: false, reached: 0 }
    calls.set(call.id, call)
    players.start(call, target)
    clock.advance(1000 / callsPerSecond)
  }
  // The longest call hangs up after 420 s, has its BYE repeated for 32 s, and its last transaction absorbs repeats for as long.
  clock.advance(1_000_000)

  for (const call of calls.values()) judge(call, weather, violation)
  const left: Record<string, number> = { timers: clock.pending() }
  const messages = network.carried()
  let retransmissions = 0
  for (const [index, { engine, counters }] of engines.entries()) {
    const { address } = users[index]!
    for (const [what, value] of Object.entries(engine.counts())) left[`${address} ${what}`] = value
    left[`${address} defects`] = counters.defects
    left[`${address} malformed`] = counters.malformed
    left[`${address} transport errors`] = counters.transportErrors
    retransmissions += counters.retransmissionsSent
  }
  const simulatedMs = clock.monotonicMs()
  for (const { engine } of engines) engine.close()
  return { calls: count, violations, outcomes, messages, retransmissions, simulatedMs, left }
}

/** Whether the sides of a call agree on how it went, and it went as the plan says. */
function judge(call: Call, weather: Weather, violation: (call: Call, text: string) => void): void {
  const { plan, final, legs } = call
  if (final === 0) violation(call, 'the caller was told no end')
  for (const leg of legs) {
    if (leg.state !== 'ended') violation(call, `${leg.user.address} (${leg.role}) still thinks it is ${leg.state}`)
  }
  if (plan.kind !== 'call') return
  const callees = legs.filter(({ role }) => role === 'callee')
  const answered = callees.filter((leg) => leg.answered)
  if (final < 300 && answered.length === 0) violation(call, `the caller has ${final}, but nobody answered`)
  // Repeats get through this much loss; more of it excuses everything.
  if (plan.forked || weather.loss > 0.3) return
  if (callees.length > 1) violation(call, `called ${callees.length} times`)
  for (const { end, user } of legs) {
    // A third of the interval is not enough for every refresh to get through a storm.
    if (weather.loss > 0.1 && end.startsWith('told: Session')) continue
    if (excuses[end]?.(plan) === false) violation(call, `${user.address}: ${end}, without a reason`)
  }
  if (plan.cancelAfterMs !== null) return
  const mine = plan.callees[0]!
  const unanswered = mine.provisional.length > 0 ? 487 : 480
  const expected = { answer: 200, busy: 486, decline: 603, redirect: 302, none: unanswered }[mine.final]
  if (final !== expected) violation(call, `the caller has ${final}, not ${expected}`)
}

/** Ends that only some plans bring about. */
const excuses: Readonly<Record<string, (plan: CallPlan) => boolean>> = {
  'told: ACK timeout': ({ ackAfterMs, cutAfterMs }) => ackAfterMs > 15_000 || cutAfterMs !== null,
  'told: Session timer expired': ({ cutAfterMs }) => cutAfterMs !== null,
  'told: Session refresh failed': ({ cutAfterMs }) => cutAfterMs !== null,
  'told: PRACK timeout': () => false,
  'told: CANCEL after 200 OK': ({ cancelAfterMs }) => cancelAfterMs !== null,
  'told: ACK-BYE due to cancel race condition': ({ cancelAfterMs }) => cancelAfterMs !== null
}
