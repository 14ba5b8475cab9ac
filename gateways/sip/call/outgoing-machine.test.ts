import test from 'ava'
import fc from 'fast-check'
import { type ConferenceLeg, step } from '#kernel'
import { refusal } from '../message/refusal.ts'
import type { SipDialog } from '../server/drachtio.ts'
import {
  type Accepted,
  type OutgoingEffect,
  type OutgoingEvent,
  type OutgoingState,
  outgoingStates,
  outgoingTable
} from './outgoing-machine.ts'

const leg = {} as ConferenceLeg
const accepted: Accepted = { kind: 'answer', dialog: {} as SipDialog, sdp: 'v=0' }
const cause = { by: 'application', reason: 'cancelled' } as const
const events: readonly OutgoingEvent[] = [
  { type: 'approved' },
  { type: 'approvedLate' },
  { type: 'refused', refusal: refusal('guard.failed', 'test') },
  { type: 'joined', leg, sdp: 'v=0' },
  { type: 'recorded' },
  { type: 'sent' },
  { type: 'intervalTooSmall', minSeconds: 600 },
  { type: 'profileRefused', sdp: 'v=0' },
  { type: 'progress', status: 180, tag: 'a', sdp: '' },
  { type: 'accepted', accepted },
  { type: 'declined', declined: { status: 486, reason: 'Busy', retryAfterMs: null, byNetwork: false } },
  { type: 'agreed' },
  { type: 'hungUp', cause },
  { type: 'stopped', cause, refusal: refusal('call-out.stopped', 'test') },
  { type: 'forgotten' }
]
const take = (state: OutgoingState, event: OutgoingEvent) =>
  step<OutgoingState, OutgoingEvent, OutgoingEffect, void>(outgoingTable, state, event, undefined)

test('every state meets every event as the table says', (t) => {
  const walked = Object.fromEntries(
    outgoingStates.map((state) => [
      state,
      Object.fromEntries(
        events
          .map((event) => [event.type, take(state, event)] as const)
          .filter(([, { allowed }]) => allowed)
          .map(([type, { state: next, effects }]) => [type, `${next} ${effects.map((effect) => effect.type).join(',')}`.trim()])
      )
    ])
  )
  const before = { refused: 'ended refuse', stopped: 'ended giveUp,endCancelled', hungUp: 'ended end' }
  const waiting = {
    progress: 'proceeding noteProgress',
    accepted: 'accepting accept',
    declined: 'ended decline',
    stopped: 'cancelling cancel,giveUp',
    hungUp: 'ended end',
    intervalTooSmall: 'inviting invite',
    profileRefused: 'inviting reoffer,invite'
  }
  t.deepEqual(walked, {
    screening: { ...before, approved: 'joining join', approvedLate: 'recording awaitRecords' },
    joining: { ...before, joined: 'recording keepLeg,awaitRecords' },
    recording: { ...before, recorded: 'inviting invite' },
    inviting: { ...waiting, sent: 'inviting noteSent' },
    proceeding: waiting,
    cancelling: {
      sent: 'cancelling noteSent,lateCancel',
      intervalTooSmall: 'ended endCancelled',
      profileRefused: 'ended endCancelled',
      accepted: 'ended withdraw,endCancelled',
      declined: 'ended endCancelled',
      hungUp: 'ended endCancelled',
      forgotten: 'ended endCancelled'
    },
    accepting: {
      joined: 'accepting keepLeg,acknowledge',
      agreed: 'established establish',
      refused: 'ended bye,refuse',
      stopped: 'ended bye,giveUp,endCancelled',
      hungUp: 'ended end'
    },
    established: { stopped: 'ended bye,end', hungUp: 'ended end' },
    ended: { joined: 'ended dropLeg', sent: 'ended lateCancel', accepted: 'ended withdraw' }
  })
})

const closing: ReadonlySet<OutgoingEffect['type']> = new Set(['refuse', 'decline', 'end', 'endCancelled'])

test('in every order of events a call out ends once, and no 200 goes unanswered', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (order) => {
      let state: OutgoingState = 'screening'
      let closed = 0
      let open = false
      for (const event of order) {
        // a callee answers once, and only an INVITE that went out
        if (event.type === 'accepted' && !['inviting', 'proceeding', 'cancelling'].includes(state)) continue
        const next: ReturnType<typeof take> = take(state, event)
        for (const { type } of next.effects) {
          if (closing.has(type)) closed++
          if (type === 'accept') open = true
          if (type === 'bye' || type === 'withdraw') open = false
        }
        if (event.type === 'hungUp' && next.allowed) open = false
        state = next.state
        if ((state === 'ended') !== closed > 0 || closed > 1) return false
        if (state === 'ended' && open) return false
      }
      return true
    }),
    { numRuns: 2000 }
  )
  t.pass()
})
