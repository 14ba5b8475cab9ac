import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { step, type Table } from '#kernel'
import { seeded } from '../control/testing/sides.ts'
import { decodeQ931, encodeQ931, type MessageType, messageTypes, userInformationOf } from '../q931/q931.ts'
import type { SignallingModes } from './call.ts'
import { causeOf, causes, reasonFor } from './causes.ts'
import { releaseComplete, status, statusInquiry } from './messages.ts'
import { calledStates, callerStates, type StateEffect } from './states.ts'
import { controlEvents, hear, media, type Pair, pairOf, party } from './testing/pair.ts'

type AnyTable = Readonly<Table<string, { readonly type: string }, StateEffect, void>>

const inAWord = (effect: StateEffect): string => {
  switch (effect.type) {
    case 'send':
      return effect.message
    case 'start':
      return `+${effect.timer}`
    case 'stop':
      return `-${effect.timer}`
    case 'tell':
      return `!${effect.told}`
    case 'release':
      return `release${effect.cause}`
    case 'gone':
      return effect.lost ? 'lost' : 'gone'
  }
}

/** Walks every pair of state and event: rows that are written down do just that, all others are ignored. */
function walk(t: ExecutionContext, table: unknown, events: readonly string[], expected: string): void {
  const rows = new Map<string, string>(
    expected
      .trim()
      .split('\n')
      .map((line) => {
        const [, state, event, next, effects] = /^\s*(\S+) (\S+) → (\S+):\s*(.*)$/.exec(line)!
        return [`${state} ${event}`, `${next}: ${effects!.trim()}`.trim()] as [string, string]
      })
  )
  const any = table as AnyTable
  for (const state of Object.keys(any)) {
    for (const type of events) {
      const { state: next, effects, allowed } = step(any, state, { type, cause: 42 } as { type: string }, undefined)
      const row = rows.get(`${state} ${type}`)
      rows.delete(`${state} ${type}`)
      if (row === undefined) t.false(allowed, `${state} ${type} is ignored`)
      else t.is(`${next}: ${(effects as readonly StateEffect[]).map(inAWord).join(' ')}`.trim(), row, `${state} ${type}`)
    }
  }
  t.deepEqual([...rows.keys()], [])
}

test('states of a caller', (t) => {
  walk(
    t,
    callerStates,
    [
      'setupRequest',
      'callProceeding',
      'alerting',
      'progress',
      'connect',
      'setupAcknowledge',
      'releaseComplete',
      'releaseRequest',
      'statusRequest',
      'status',
      'T301',
      'T303',
      'T310',
      'T322',
      'lost'
    ],
    `null setupRequest → callInitiated: setup +T303
     callInitiated callProceeding → outgoingCallProceeding: -T303 +T310 !proceeding
     callInitiated alerting → callDelivered: -T303 +T301 !alerting
     callInitiated progress → outgoingCallProceeding: -T303 +T310 !progress
     callInitiated connect → active: -T303 !connected
     callInitiated setupAcknowledge → null: -T303 release28
     callInitiated releaseComplete → null: -T303 gone
     callInitiated releaseRequest → null: -T303 release42
     callInitiated T303 → null: release102
     callInitiated lost → null: -T303 lost
     outgoingCallProceeding callProceeding → outgoingCallProceeding:
     outgoingCallProceeding alerting → callDelivered: -T310 +T301 !alerting
     outgoingCallProceeding progress → outgoingCallProceeding: -T310 +T301 !progress
     outgoingCallProceeding connect → active: -T310 -T301 !connected
     outgoingCallProceeding setupAcknowledge → null: -T310 release28
     outgoingCallProceeding releaseComplete → null: -T310 -T301 gone
     outgoingCallProceeding releaseRequest → null: -T310 -T301 release42
     outgoingCallProceeding T310 → null: release102
     outgoingCallProceeding T301 → null: release19
     outgoingCallProceeding lost → null: -T310 -T301 lost
     callDelivered callProceeding → callDelivered:
     callDelivered alerting → callDelivered:
     callDelivered progress → callDelivered: !progress
     callDelivered connect → active: -T301 !connected
     callDelivered releaseComplete → null: -T301 gone
     callDelivered releaseRequest → null: -T301 release42
     callDelivered T301 → null: release19
     callDelivered lost → null: -T301 lost
     active callProceeding → active:
     active alerting → active:
     active progress → active:
     active connect → active:
     active statusRequest → active: statusInquiry +T322
     active status → active: -T322
     active T322 → null: release102
     active releaseComplete → null: -T322 gone
     active releaseRequest → null: -T322 release42
     active lost → null: -T322 lost`
  )
})

test('states of who is called', (t) => {
  walk(
    t,
    calledStates,
    [
      'setup',
      'proceedRequest',
      'alertRequest',
      'progressRequest',
      'answerRequest',
      'releaseComplete',
      'releaseRequest',
      'statusRequest',
      'status',
      'T301',
      'T322',
      'lost'
    ],
    `null setup → callPresent: !offered
     callPresent proceedRequest → incomingCallProceeding: callProceeding
     callPresent alertRequest → callReceived: alerting +T301
     callPresent progressRequest → incomingCallProceeding: callProceeding progress
     callPresent answerRequest → active: connect !connected
     callPresent releaseComplete → null: gone
     callPresent releaseRequest → null: release42
     callPresent lost → null: lost
     incomingCallProceeding proceedRequest → incomingCallProceeding:
     incomingCallProceeding alertRequest → callReceived: alerting +T301
     incomingCallProceeding progressRequest → incomingCallProceeding: progress
     incomingCallProceeding answerRequest → active: connect !connected
     incomingCallProceeding releaseComplete → null: gone
     incomingCallProceeding releaseRequest → null: release42
     incomingCallProceeding lost → null: lost
     callReceived proceedRequest → callReceived:
     callReceived alertRequest → callReceived:
     callReceived progressRequest → callReceived: progress
     callReceived answerRequest → active: -T301 connect !connected
     callReceived releaseComplete → null: -T301 gone
     callReceived releaseRequest → null: -T301 release42
     callReceived T301 → null: release19
     callReceived lost → null: -T301 lost
     active statusRequest → active: statusInquiry +T322
     active status → active: -T322
     active T322 → null: release102
     active releaseComplete → null: -T322 gone
     active releaseRequest → null: -T322 release42
     active lost → null: -T322 lost`
  )
})

const modesOf = (n: number): SignallingModes => ({
  fastStart: (n & 1) !== 0,
  tunnelling: (n & 2) !== 0,
  earlyH245: (n & 4) !== 0,
  h245InSetup: (n & 8) !== 0,
  bothWays: false
})
const allModes = Array.from({ length: 16 }, (_, n) => modesOf(n)).filter((modes) => modes.earlyH245 || !modes.h245InSetup)

/** Rings, answers, and lets everything settle. @param after what is done behind each step */
function answered(pair: Pair, random: () => number, early: boolean): void {
  pair.dial()
  pair.settle(random)
  pair.act('called', (one) => one.proceed())
  pair.settle(random)
  if (early) pair.act('called', (one) => one.setLocal(media.called()))
  pair.act('called', (one) => one.alert())
  pair.settle(random)
  pair.act('called', (one) => one.setLocal(media.called()))
  pair.act('called', (one) => one.answer())
  for (let n = 0; n < 4; n++) {
    pair.settle(random)
    pair.clock.advance(600)
  }
  pair.settle(random)
}

test('every mode of the caller with every mode of who is called, in any order of messages', (t) => {
  for (const [at, caller] of allModes.entries()) {
    for (const [other, called] of allModes.entries()) {
      const random = seeded(at * 100 + other)
      const pair = pairOf({ caller, called, random })
      answered(pair, random, random() < 0.5)
      const what = JSON.stringify({ caller, called, sent: [pair.caller.sent, pair.called.sent] })
      t.is(pair.caller.session.state, 'active', what)
      t.is(hear(pair), 'PCMU', what)
      const fast = caller.fastStart && called.fastStart
      t.is(pair.caller.session.fastConnect, fast ? 'accepted' : caller.fastStart ? 'refused' : 'none', what)
      t.is(pair.caller.session.tunnelling, caller.tunnelling && called.tunnelling, what)
      t.true(
        controlEvents(pair.caller).some(({ type }) => type === 'ready'),
        what
      )
      pair.act(random() < 0.5 ? 'caller' : 'called', (one) => one.release(causes.normal))
      pair.settle(random)
      t.true(pair.caller.session.hasEnded && pair.called.session.hasEnded, what)
      t.is(pair.clock.pending(), 0, what)
      for (const side of [pair.caller, pair.called]) {
        t.like(side.told.at(-1), { type: 'released', cause: { cause: 16 } }, what)
        t.is(side.told.filter(({ type }) => type === 'released').length, 1)
      }
    }
  }
})

test('the connection is lost behind any message: both sides end, nothing is left', (t) => {
  for (const caller of allModes) {
    for (let lostAt = 1; ; lostAt++) {
      const random = seeded(lostAt)
      const pair = pairOf({ caller, random })
      let delivered = 0
      const go = (): boolean => {
        while (delivered < lostAt) {
          if (!pair.deliver(random)) {
            pair.clock.advance(2)
            if (!pair.deliver(random)) return false
          }
          delivered++
        }
        return true
      }
      pair.dial()
      let isLost = go()
      for (const run of [
        (one: typeof pair.called.session) => one.proceed(),
        (one: typeof pair.called.session) => one.alert(),
        (one: typeof pair.called.session) => {
          one.setLocal(media.called())
          one.answer()
        }
      ]) {
        if (!isLost) {
          pair.act('called', run)
          isLost = go()
        }
      }
      if (!isLost) break
      pair.breakSignalling()
      const what = `${JSON.stringify(caller)} after ${lostAt}`
      t.true(pair.caller.session.hasEnded, what)
      t.true(pair.called.session.hasEnded, what)
      // a connection that H.245 was to get is tried once more, and leads nowhere
      pair.clock.advance(5)
      t.is(pair.clock.pending(), 0, what)
    }
  }
})

test('fast connect in one message, the answer in the first that can carry it', (t) => {
  const pair = pairOf()
  pair.dial()
  pair.settle()
  pair.act('called', (one) => one.setLocal(media.called()))
  pair.act('called', (one) => one.proceed())
  pair.settle()
  t.is(hear(pair), 'PCMU', 'sound before CONNECT')
  t.deepEqual(pair.caller.sent, ['setup'])
  t.deepEqual(pair.called.sent, ['callProceeding'])
})

test('fast connect without a common codec is refused, and H.245 finds none either', (t) => {
  const pair = pairOf({ callerCodecs: ['PCMA', 'G729'], calledCodecs: ['G722'] })
  pair.dial()
  pair.settle()
  pair.act('called', (one) => one.setLocal(media.called(['G722'])))
  pair.act('called', (one) => one.answer())
  pair.settle()
  t.is(pair.caller.session.fastConnect, 'refused')
  const connect = pair.wire.find(({ octets }) => decodeQ931(octets).messageType === 'connect')!
  const body = userInformationOf(decodeQ931(connect.octets))!['h323-uu-pdu']['h323-message-body']
  t.true(body.type === 'connect' && body.value.fastConnectRefused === null)
  t.is(hear(pair), null)
  t.is(pair.caller.session.state, 'active')
})

test('timers: no answer to SETUP, none after CALL PROCEEDING, nobody answers', (t) => {
  const silent = pairOf()
  silent.dial()
  silent.clock.advance(10_000)
  t.like(silent.caller.told.at(-1), { type: 'released', by: 'local', cause: { cause: causes.timerExpired } })
  const slow = pairOf()
  slow.dial()
  slow.settle()
  slow.act('called', (one) => one.proceed())
  slow.settle()
  slow.clock.advance(60_000)
  slow.settle()
  t.like(slow.caller.told.at(-1), { type: 'released', cause: { cause: causes.timerExpired } })
  t.like(slow.called.told.at(-1), { type: 'released', by: 'remote', cause: { cause: causes.timerExpired } })
  const ringing = pairOf()
  ringing.dial()
  ringing.settle()
  ringing.act('called', (one) => one.alert())
  ringing.settle()
  ringing.clock.advance(180_000)
  ringing.settle()
  t.like(ringing.caller.told.at(-1), { type: 'released', cause: { cause: causes.noAnswer } })
  t.is(ringing.clock.pending(), 0)
})

test('a status enquiry is answered with the state; a peer without the call ends it', (t) => {
  const pair = pairOf()
  answered(pair, seeded(1), false)
  pair.act('caller', (one) => one.enquire())
  pair.settle()
  t.is(pair.called.sent.at(-1), 'status')
  pair.clock.advance(10_000)
  t.false(pair.caller.session.hasEnded)
  pair.act('called', (one) => one.received(statusInquiry(pair.caller.session.identity, { tunnelling: true })))
  t.is(pair.called.sent.at(-1), 'status')
  pair.act('called', (one) => one.received(status(pair.caller.session.identity, 0, 41, { tunnelling: true })))
  t.like(pair.called.told.at(-1), { type: 'released', cause: { cause: causes.wrongState } })
})

test('overlap sending is refused: SETUP ACKNOWLEDGE ends the call', (t) => {
  const pair = pairOf()
  pair.dial()
  const identity = { ...pair.caller.session.identity, callReferenceFlag: true }
  pair.act('caller', (one) => one.received({ ...identity, messageType: 'setupAcknowledge', elements: [] }))
  t.like(pair.caller.told.at(-1), { type: 'released', cause: { cause: causes.invalidNumber } })
  t.is(pair.caller.sent.at(-1), 'releaseComplete')
})

test('any message type in any state is survived, and answered where Q.931 says so', (t) => {
  const types = Object.keys(messageTypes) as MessageType[]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...types), { maxLength: 12 }), fc.integer(), (order, seed) => {
      const random = seeded(seed)
      const pair = pairOf({ random })
      pair.dial()
      for (const messageType of order) {
        const side = random() < 0.5 ? 'caller' : 'called'
        const { identity } = pair[side].session
        pair.act(side, (one) => one.received({ ...identity, messageType, elements: [] }))
        if (random() < 0.4) pair.deliver(random)
      }
      pair.act('caller', (one) => one.release(causes.normal))
      pair.act('called', (one) => one.release(causes.normal))
      return pair.caller.told.filter(({ type }) => type === 'released').length === 1
    }),
    { numRuns: 200 }
  )
  const pair = pairOf()
  answered(pair, seeded(1), false)
  const { identity } = pair.caller.session
  pair.act('caller', (one) => one.received({ ...identity, messageType: 'disconnect', elements: [] }))
  t.is(pair.caller.sent.at(-1), 'status')
})

test('causes: the element counts, the reason where there is none', (t) => {
  const identity = {
    callReference: 1,
    callReferenceFlag: false,
    callIdentifier: Buffer.alloc(16),
    conferenceId: Buffer.alloc(16)
  }
  for (const cause of Object.values(causes)) {
    const message = decodeQ931(encodeQ931(releaseComplete(identity, cause, { tunnelling: false })))
    const body = userInformationOf(message)!['h323-uu-pdu']['h323-message-body']
    if (body.type !== 'releaseComplete') throw new Error('no RELEASE COMPLETE')
    t.deepEqual(causeOf(message, body.value.reason), { cause, reason: reasonFor(cause) })
    t.is(body.value.reason?.type ?? null, reasonFor(cause))
  }
  const bare = { ...identity, messageType: 'releaseComplete', elements: [] } as const
  t.deepEqual(causeOf(bare, { type: 'inConf' }), { cause: causes.busy, reason: 'inConf' })
  t.deepEqual(causeOf(bare, { type: 'unknownExtension', index: 40, value: Buffer.alloc(1) } as never), {
    cause: causes.unspecified,
    reason: 'unknownExtension'
  })
  t.deepEqual(causeOf(bare, undefined), { cause: causes.normal, reason: null })
})

test('a SETUP has what peers cannot do without, and not what they cannot read', (t) => {
  const pair = pairOf()
  pair.dial()
  const message = decodeQ931(pair.wire[0]!.octets)
  const body = userInformationOf(message)!['h323-uu-pdu']['h323-message-body']
  if (body.type !== 'setup') throw new Error('no SETUP')
  t.is(body.value.destCallSignalAddress?.type, 'ipAddress')
  t.deepEqual(userInformationOf(message)!['h323-uu-pdu'].h245Control, undefined)
  t.false(JSON.stringify(body.value).includes('qOSCapabilities'))
  t.is(body.value.canOverlapSend, false)
  t.is(party('1').aliases[0]?.type, 'dialedDigits')
})
