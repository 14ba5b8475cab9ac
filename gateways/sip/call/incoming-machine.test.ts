import test from 'ava'
import fc from 'fast-check'
import { type ConferenceLeg, step } from '#kernel'
import { refusal } from '../message/refusal.ts'
import { type CallEffect, type CallEvent, type CallState, callStates, callTable } from './incoming-machine.ts'

const leg = {} as ConferenceLeg
const cause = { by: 'conference', reason: 'media-timeout' } as const
const refused = refusal('sip.draining', 'test')
const events: readonly CallEvent[] = [
  { type: 'approved' },
  { type: 'ringDue' },
  { type: 'refused', refusal: refused },
  { type: 'joined', leg, sdp: 'v=0' },
  { type: 'recorded' },
  { type: 'sent' },
  { type: 'notSent' },
  { type: 'acknowledged', answer: '' },
  { type: 'cancelled' },
  { type: 'hungUp', cause },
  { type: 'stopped', cause, refusal: refused }
]

const stepCall = (state: CallState, event: CallEvent) =>
  step<CallState, CallEvent, CallEffect, void>(callTable, state, event, undefined)

const walk = (state: CallState, event: CallEvent) => {
  const next: ReturnType<typeof stepCall> = stepCall(state, event)
  return `${next.state} ${next.allowed ? next.effects.map((effect) => effect.type).join(',') : '–'}`.trim()
}

test('every state meets every event as the table says', (t) => {
  const table = Object.fromEntries(
    callStates.map((state) => [state, Object.fromEntries(events.map((event) => [event.type, walk(state, event)]))])
  )
  const before = {
    refused: 'ended refuse',
    cancelled: 'ended end',
    hungUp: 'ended end',
    stopped: 'ended refuse'
  }
  const nothing = (state: CallState) => Object.fromEntries(events.map((event) => [event.type, `${state} –`]))
  t.deepEqual(table, {
    screening: { ...nothing('screening'), ...before, approved: 'joining join' },
    joining: { ...nothing('joining'), ...before, ringDue: 'joining ring', joined: 'recording keepLeg,awaitRecords' },
    recording: { ...nothing('recording'), ...before, ringDue: 'recording ring', recorded: 'answering answer' },
    answering: {
      ...nothing('answering'),
      sent: 'answered noteAnswered',
      notSent: 'ended end',
      cancelled: 'ended end',
      hungUp: 'ended end',
      stopped: 'withdrawing end'
    },
    withdrawing: { ...nothing('withdrawing'), sent: 'ended lateBye', notSent: 'ended', cancelled: 'ended' },
    answered: { ...nothing('answered'), acknowledged: 'established establish', hungUp: 'ended end', stopped: 'ended bye,end' },
    established: { ...nothing('established'), hungUp: 'ended end', stopped: 'ended bye,end' },
    ended: { ...nothing('ended'), joined: 'ended dropLeg', sent: 'ended lateBye' }
  })
})

test('whatever happens, a call is finished once, and a leg that joined is always let go', (t) => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 30 }), (sequence) => {
      let state: CallState = 'screening'
      let joined = 0
      let dropped = 0
      let finished = 0
      for (const event of sequence) {
        const next: ReturnType<typeof stepCall> = stepCall(state, event)
        state = next.state
        for (const effect of next.effects) {
          if (effect.type === 'keepLeg') joined++
          if (effect.type === 'dropLeg') dropped++
          if (effect.type === 'end' || effect.type === 'refuse') finished++
        }
        if (event.type === 'joined' && next.allowed && joined + dropped === 0) return false
      }
      const over = state === 'ended' || state === 'withdrawing'
      return finished === (over ? 1 : 0) && joined <= 1
    })
  )
  t.pass()
})
