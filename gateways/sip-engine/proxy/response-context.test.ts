import test from 'ava'
import fc from 'fast-check'
import { step, type Table } from '#kernel'
import { parseMessage, type SipResponse } from '../codec/message.ts'
import { isLive } from './branch.ts'
import {
  type Branch,
  type ContextEvent,
  type ContextInput,
  type ContextState,
  createResponseContext,
  maxTargets,
  type ProxyEffect,
  type ResponseContext,
  react,
  responseContext
} from './response-context.ts'
import type { Target } from './targets.ts'

const target = (name: string): Target => ({ uri: `sip:${name}@example.org`, replaces: false })
const targets = (...names: string[]): Target[] => names.map(target)
const response = (status: number): SipResponse =>
  parseMessage(Buffer.from(`SIP/2.0 ${status} X\r\nTo: <sip:b@x>;tag=1\r\nContent-Length: 0\r\n\r\n`)) as SipResponse

const context = (
  names: string[],
  options: { invite?: boolean; simultaneous?: boolean; breadth?: number } = {}
): ResponseContext =>
  createResponseContext({ invite: true, simultaneous: false, breadth: 60, targets: targets(...names), ...options })

const written = (effect: ProxyEffect): string => {
  if (effect.type === 'forward') return `${effect.late ? 'late' : 'forward'} ${effect.response.status}`
  return 'branch' in effect ? `${effect.type} ${effect.branch.id}` : effect.type
}
/** Effects without those on timers. */
const did = (on: ResponseContext, input: ContextInput): string[] =>
  react(on, input)
    .filter(({ type }) => !type.endsWith('Timer') && type !== 'stopTimers')
    .map(written)

const provisional = (branch: number, status = 180): ContextInput => ({ type: 'provisional', branch, response: response(status) })
const success = (branch: number): ContextInput => ({ type: 'success', branch, response: response(200) })
const failure = (branch: number, status: number, redirects: readonly Target[] = []): ContextInput => ({
  type: 'failure',
  branch,
  response: response(status),
  redirects
})

const drawn: Record<string, string> = {
  'searching progress': 'searching: forward',
  'searching success': 'answered: forward cancelBranches',
  'searching failed': 'searching:',
  'searching challenged': 'closing:',
  'searching declined': 'closing: cancelBranches',
  'searching cancel': 'closing: cancelBranches',
  'searching exhausted': 'refused: refuse release',
  'closing progress': 'closing: forward',
  'closing success': 'answered: forward cancelBranches',
  'closing failed': 'closing:',
  'closing challenged': 'closing:',
  'closing declined': 'closing: cancelBranches',
  'closing cancel': 'closing: cancelBranches',
  'closing exhausted': 'refused: refuse release',
  'answered progress': 'answered:',
  'answered success': 'answered: forward',
  'answered failed': 'answered:',
  'answered challenged': 'answered:',
  'answered declined': 'answered:',
  'answered cancel': 'answered:',
  'answered exhausted': 'over: release',
  'over success': 'over: forward',
  'refused success': 'refused: forwardLate'
}

test('the response context in every state, with every event', (t) => {
  const states: readonly ContextState[] = ['searching', 'closing', 'answered', 'over', 'refused']
  const events: readonly ContextEvent['type'][] = [
    'progress',
    'success',
    'failed',
    'challenged',
    'declined',
    'cancel',
    'exhausted'
  ]
  for (const invite of [true, false]) {
    for (const state of states) {
      for (const type of events) {
        const table = responseContext as Table<ContextState, ContextEvent, string, ResponseContext>
        const next = step(table, state, { type }, context(['a'], { invite }))
        const expected = drawn[`${state} ${type}`]
        t.is(next.allowed, expected !== undefined, `${state} ${type}`)
        if (expected === undefined) t.deepEqual([next.state, next.effects], [state, []])
        else if (invite || type !== 'success' || state === 'searching' || state === 'closing') {
          t.is([`${next.state}:`, ...next.effects].join(' '), expected)
        } else t.deepEqual(next.effects, [], 'a second 2xx of another method goes nowhere')
      }
    }
  }
})

test('serial: one after the other, and the rest is not tried after a 2xx', (t) => {
  const c = context(['a', 'b', 'c'])
  t.deepEqual(did(c, { type: 'begin' }), ['send 0'])
  t.deepEqual(did(c, provisional(0, 100)), [])
  t.deepEqual(did(c, provisional(0, 180)), ['forward 180'])
  t.deepEqual(did(c, failure(0, 404)), ['send 1'])
  t.deepEqual(did(c, success(1)), ['forward 200', 'release'])
  t.deepEqual(did(c, success(1)), ['forward 200'], 'the 2xx comes again')
  t.is(c.waiting.length, 1)
})

test('simultaneous: all at once; the first 2xx cancels the others, and a 2xx that crosses the CANCEL goes back too', (t) => {
  const c = context(['a', 'b', 'c'], { simultaneous: true })
  t.deepEqual(did(c, { type: 'begin' }), ['send 0', 'send 1', 'send 2'])
  t.deepEqual(did(c, provisional(1)), ['forward 180'])
  t.deepEqual(did(c, success(0)), ['forward 200', 'sendCancel 1'])
  t.deepEqual(did(c, provisional(2)), ['sendCancel 2'], 'CANCEL waited for a provisional response, which goes back no more')
  t.deepEqual(did(c, success(2)), ['forward 200'])
  t.deepEqual(did(c, failure(1, 487)), ['release'])
})

test('6xx: the others are cancelled, and it goes back when they have ended', (t) => {
  const c = context(['a', 'b', 'c'], { simultaneous: true })
  did(c, { type: 'begin' })
  did(c, provisional(1))
  t.deepEqual(did(c, failure(0, 603)), ['sendCancel 1'])
  t.deepEqual(did(c, failure(1, 487)), [])
  t.deepEqual(did(c, { type: 'timeout', branch: 2 }), ['refuse', 'release'])
  t.deepEqual(
    c.failures.map(({ status }) => status),
    [603, 487, 408]
  )
})

test('401 and 407 end the search; branches under way are heard out', (t) => {
  const serial = context(['a', 'b'])
  did(serial, { type: 'begin' })
  t.deepEqual(did(serial, failure(0, 407)), ['refuse', 'release'])
  const c = context(['a', 'b'], { simultaneous: true })
  did(c, { type: 'begin' })
  t.deepEqual(did(c, failure(0, 401)), [])
  t.deepEqual(did(c, success(1)), ['forward 200', 'release'])
})

test('CANCEL of the caller: no further target, CANCEL to the one that rings, 487 at the end; a 2xx still wins', (t) => {
  const c = context(['a', 'b'])
  did(c, { type: 'begin' })
  did(c, provisional(0))
  t.deepEqual(did(c, { type: 'cancel' }), ['sendCancel 0'])
  t.deepEqual(did(c, { type: 'cancel' }), [])
  t.deepEqual(did(c, failure(0, 487)), ['refuse', 'release'])

  const race = context(['a'])
  did(race, { type: 'begin' })
  did(race, provisional(0))
  did(race, { type: 'cancel' })
  t.deepEqual(did(race, success(0)), ['forward 200', 'release'])
})

test('a callee that ignores its CANCEL is given up', (t) => {
  const c = context(['a'])
  did(c, { type: 'begin' })
  did(c, provisional(0))
  did(c, { type: 'cancel' })
  t.deepEqual(did(c, { type: 'expired', branch: 0, timer: 'cancelled' }), ['abandon 0'])
  t.deepEqual(did(c, { type: 'timeout', branch: 0 }), ['refuse', 'release'])
})

test('provisional timeout: the next target; should the first ring after all it is cancelled, should it answer it has won', (t) => {
  const c = context(['a', 'b'])
  did(c, { type: 'begin' })
  t.deepEqual(did(c, { type: 'expired', branch: 0, timer: 'provisional' }), ['send 1'])
  t.deepEqual(did(c, provisional(0)), ['sendCancel 0'])
  t.deepEqual(did(c, success(0)), ['forward 200'])
  t.deepEqual(did(c, failure(1, 486)), ['release'])
})

test('final timeout while ringing: CANCEL and the next target; its 487 counts as 408', (t) => {
  const c = context(['a', 'b'])
  did(c, { type: 'begin' })
  did(c, provisional(0))
  t.deepEqual(did(c, { type: 'expired', branch: 0, timer: 'final' }), ['sendCancel 0', 'send 1'])
  t.deepEqual(did(c, failure(0, 487)), [])
  t.deepEqual(did(c, failure(1, 486)), ['refuse', 'release'])
  t.deepEqual(
    c.failures.map(({ status }) => status),
    [408, 486]
  )
})

test('a 2xx of a branch that was given up goes back even behind the failure of the others', (t) => {
  const c = context(['a'])
  did(c, { type: 'begin' })
  t.deepEqual(did(c, { type: 'expired', branch: 0, timer: 'final' }), ['refuse', 'release'])
  t.deepEqual(did(c, success(0)), ['late 200'])
})

test('redirections become targets once each; the 3xx itself is forgotten unless nothing new is in it', (t) => {
  const c = context(['a'])
  did(c, { type: 'begin' })
  t.deepEqual(did(c, failure(0, 302, targets('b', 'a', 'c', 'b'))), ['send 1'])
  t.deepEqual(did(c, failure(1, 302, targets('a', 'c'))), ['send 2'])
  t.deepEqual(did(c, failure(2, 486)), ['refuse', 'release'])
  t.deepEqual(
    c.failures.map(({ status }) => status),
    [302, 486]
  )
})

test('a redirection that comes when the search is over is a failure like others', (t) => {
  const c = context(['a', 'b'])
  did(c, { type: 'begin' })
  did(c, { type: 'cancel' })
  t.deepEqual(did(c, failure(0, 302, targets('c'))), ['refuse', 'release'])
  t.deepEqual(
    c.failures.map(({ status }) => status),
    [302]
  )
})

test('a redirection that never ends stops at the limit of targets', (t) => {
  const c = context(['t0'])
  did(c, { type: 'begin' })
  let at = 0
  while (c.state === 'searching' && at < 200) {
    did(c, failure(at, 302, targets(`t${at + 1}`)))
    at++
  }
  t.is(c.branches.length, maxTargets)
  t.is(c.state, 'refused')
})

test('Max-Breadth: shared among the branches; what is too much waits its turn', (t) => {
  const c = context(['a', 'b', 'c'], { simultaneous: true, breadth: 7 })
  did(c, { type: 'begin' })
  t.deepEqual(
    c.branches.map(({ breadth }) => breadth),
    [2, 2, 3]
  )
  const narrow = context(['a', 'b', 'c'], { simultaneous: true, breadth: 2 })
  t.deepEqual(did(narrow, { type: 'begin' }), ['send 0', 'send 1'])
  t.deepEqual(did(narrow, failure(1, 404)), ['send 2'])
  t.is(narrow.branches[2]!.breadth, 1)
})

test('other methods: one 2xx, no CANCEL', (t) => {
  const c = context(['a', 'b'], { invite: false, simultaneous: true })
  did(c, { type: 'begin' })
  t.deepEqual(did(c, provisional(0)), [], 'RFC 4320 §4.1: only 100 may go back, and that is the transaction’s')
  t.deepEqual(did(c, success(1)), ['forward 200', 'release'])
  t.deepEqual(did(c, success(0)), [])
})

/** What a random run may do next; the branch is picked among those that can still be heard. */
const moves = [
  '100',
  '180',
  '183',
  '200',
  '302',
  '401',
  '407',
  '404',
  '486',
  '503',
  '603',
  'timeout',
  'unsendable',
  'timer',
  'cancel',
  '200 again'
] as const

test('any order of responses, timeouts and CANCEL: one outcome, every branch at its end, no timer left', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        invite: fc.boolean(),
        simultaneous: fc.boolean(),
        breadth: fc.integer({ min: 1, max: 8 }),
        count: fc.integer({ min: 1, max: 6 })
      }),
      fc.array(fc.tuple(fc.constantFrom(...moves), fc.nat()), { maxLength: 40 }),
      (parts, script) => {
        const c = createResponseContext({
          ...parts,
          targets: Array.from({ length: parts.count }, (_, index) => target(`t${index}`))
        })
        const log: string[] = []
        const running = new Map<string, { branch: Branch; timer: 'provisional' | 'final' | 'C' | 'cancelled' }>()
        const open = new Set<Branch>()
        const rang = new Set<Branch>()
        const winners = new Set<Branch>()
        const cancels = new Set<Branch>()
        const feed = (input: ContextInput) => {
          const before = c.state
          for (const effect of react(c, input)) {
            if (effect.type === 'startTimer') running.set(`${effect.branch.id} ${effect.timer}`, effect)
            if (effect.type === 'stopTimer') running.delete(`${effect.branch.id} ${effect.timer}`)
            if (effect.type === 'stopTimers') {
              for (const key of [...running.keys()]) if (key.startsWith(`${effect.branch.id} `)) running.delete(key)
            }
            if (effect.type === 'send') {
              if (before !== 'searching') throw new Error('a target tried after the search')
              open.add(effect.branch)
            }
            if (effect.type === 'sendCancel') {
              if (cancels.has(effect.branch) || !rang.has(effect.branch)) throw new Error('CANCEL twice, or too early')
              cancels.add(effect.branch)
            }
            if (effect.type === 'abandon') queue.push({ type: 'timeout', branch: effect.branch.id })
            if (effect.type === 'forward') log.push(effect.response.status < 200 ? '1xx' : effect.late ? 'late' : '2xx')
            if (effect.type === 'refuse' || effect.type === 'release') log.push(effect.type)
          }
          const live = c.branches.filter(({ state }) => isLive(state))
          const used = live.reduce((sum, { breadth }) => sum + breadth, 0)
          if (used + c.breadth !== parts.breadth) throw new Error('breadth lost or won')
          if (!parts.simultaneous && live.length > 1) throw new Error('two at once in serial mode')
          if (c.state === 'answered' && live.length > 0) throw new Error('an answered call goes on ringing')
        }
        const queue: ContextInput[] = []
        const end = (branch: Branch, input: ContextInput) => {
          open.delete(branch)
          feed(input)
        }
        const act = (move: string, branch: Branch, pick: number) => {
          const { id } = branch
          if (move === 'timeout' || move === 'unsendable') return end(branch, { type: move, branch: id })
          if (move === '200') {
            if (parts.invite) winners.add(branch)
            return end(branch, success(id))
          }
          const status = Number(move)
          if (status >= 200) return end(branch, failure(id, status, status === 302 ? targets(`r${pick % 5}`) : []))
          rang.add(branch)
          feed(provisional(id, status))
        }
        feed({ type: 'begin' })
        for (const [move, pick] of script) {
          const choice = [...open]
          if (move === 'cancel') {
            if (parts.invite) feed({ type: 'cancel' })
          } else if (move === '200 again') {
            const again = [...winners][pick % Math.max(1, winners.size)]
            if (again !== undefined) feed(success(again.id))
          } else if (move === 'timer') {
            const expired = [...running.entries()][pick % Math.max(1, running.size)]
            if (expired === undefined) continue
            running.delete(expired[0])
            feed({ type: 'expired', branch: expired[1].branch.id, timer: expired[1].timer })
          } else if (choice.length > 0) act(move, choice[pick % choice.length]!, pick)
          for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
            const ended = c.branches[(next as { branch: number }).branch]!
            if (open.has(ended)) end(ended, next)
          }
        }
        // Whoever is still there says so: 487 behind a CANCEL, silence else.
        for (let branch = [...open][0]; branch !== undefined; branch = [...open][0]) {
          if (cancels.has(branch)) end(branch, failure(branch.id, 487))
          else end(branch, { type: 'timeout', branch: branch.id })
        }
        const count = (what: string) => log.filter((each) => each === what).length
        const answered = log.includes('2xx')
        t.is(count('release'), 1)
        t.is(count('refuse'), answered ? 0 : 1)
        t.is(answered && count('late') > 0, false)
        const final = log.findIndex((each) => each === '2xx' || each === 'refuse')
        t.false(log.slice(final).includes('1xx'))
        if (!parts.invite) t.true(count('2xx') <= 1 && count('late') === 0 && cancels.size === 0)
        t.true(c.branches.every(({ state }) => state === 'ended'))
        t.is(running.size, 0)
        t.true(c.branches.length <= maxTargets)
      }
    ),
    { numRuns: 400 }
  )
  t.pass()
})
