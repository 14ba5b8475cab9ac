/**
 * Call states of Q.931 as far as H.323 has them: U0, U1, U3, U4 of a caller; U0, U6, U7, U9 of who is called; U10. Timers arrive as events.
 *
 * U2 and U25 (overlap sending) are not entered: a complete number is dialled or nothing. U8 falls away since CONNECT is not acknowledged, U11, U12 and U19
 * since a call ends with RELEASE COMPLETE alone (H.225.0 §7.2.3).
 */
import type { Table } from '#kernel'
import { causes } from './causes.ts'

export type CallerState = 'null' | 'callInitiated' | 'outgoingCallProceeding' | 'callDelivered' | 'active'
export type CalledState = 'null' | 'callPresent' | 'incomingCallProceeding' | 'callReceived' | 'active'

export type Q931Timer = 'T301' | 'T303' | 'T310' | 'T322'

/** Milliseconds. T303 is longer than the 4 s of the standard: gateways take 3 s and more for their first answer. T310 likewise (10 s). */
export const q931Timers: Readonly<Record<Q931Timer, number>> = { T301: 180_000, T303: 10_000, T310: 60_000, T322: 4000 }

export type CallerEvent =
  | { readonly type: 'setupRequest' }
  | { readonly type: 'callProceeding' }
  | { readonly type: 'alerting' }
  | { readonly type: 'progress' }
  | { readonly type: 'connect' }
  | { readonly type: 'setupAcknowledge' }
  | { readonly type: 'releaseComplete' }
  | { readonly type: 'releaseRequest'; readonly cause: number }
  | { readonly type: 'statusRequest' }
  | { readonly type: 'status' }
  | { readonly type: 'T301' }
  | { readonly type: 'T303' }
  | { readonly type: 'T310' }
  | { readonly type: 'T322' }
  | { readonly type: 'lost' }

export type CalledEvent =
  | { readonly type: 'setup' }
  | { readonly type: 'proceedRequest' }
  | { readonly type: 'alertRequest' }
  | { readonly type: 'progressRequest' }
  | { readonly type: 'answerRequest' }
  | { readonly type: 'releaseComplete' }
  | { readonly type: 'releaseRequest'; readonly cause: number }
  | { readonly type: 'statusRequest' }
  | { readonly type: 'status' }
  | { readonly type: 'T301' }
  | { readonly type: 'T322' }
  | { readonly type: 'lost' }

export type SentMessage = 'setup' | 'callProceeding' | 'alerting' | 'progress' | 'connect' | 'releaseComplete' | 'statusInquiry'

export type StateEffect =
  | { readonly type: 'send'; readonly message: Exclude<SentMessage, 'releaseComplete'> }
  /** RELEASE COMPLETE with this cause, and the call is over. */
  | { readonly type: 'release'; readonly cause: number }
  /** The call is over by the other side, or by loss of its connection. */
  | { readonly type: 'gone'; readonly lost: boolean }
  | { readonly type: 'start'; readonly timer: Q931Timer }
  | { readonly type: 'stop'; readonly timer: Q931Timer }
  | { readonly type: 'tell'; readonly told: 'offered' | 'proceeding' | 'alerting' | 'progress' | 'connected' }

const send = (message: Exclude<SentMessage, 'releaseComplete'>): StateEffect => ({ type: 'send', message })
const release = (cause: number): StateEffect => ({ type: 'release', cause })
const start = (timer: Q931Timer): StateEffect => ({ type: 'start', timer })
const stop = (timer: Q931Timer): StateEffect => ({ type: 'stop', timer })
const tell = (told: Extract<StateEffect, { type: 'tell' }>['told']): StateEffect => ({ type: 'tell', told })
const gone = (lost: boolean): StateEffect => ({ type: 'gone', lost })

/** Rows of every state but U0: the call can end, and be asked about. */
const ending = (...timers: Q931Timer[]) =>
  ({
    releaseComplete: ['null', () => [...timers.map(stop), gone(false)]],
    releaseRequest: ['null', ({ cause }: { readonly cause: number }) => [...timers.map(stop), release(cause)]],
    lost: ['null', () => [...timers.map(stop), gone(true)]]
  }) as const

export const callerStates = {
  null: { setupRequest: ['callInitiated', () => [send('setup'), start('T303')]] },
  callInitiated: {
    callProceeding: ['outgoingCallProceeding', () => [stop('T303'), start('T310'), tell('proceeding')]],
    alerting: ['callDelivered', () => [stop('T303'), start('T301'), tell('alerting')]],
    // a gateway may go straight to announcements
    progress: ['outgoingCallProceeding', () => [stop('T303'), start('T310'), tell('progress')]],
    connect: ['active', () => [stop('T303'), tell('connected')]],
    // the number was complete: what is missing will not come
    setupAcknowledge: ['null', () => [stop('T303'), release(causes.invalidNumber)]],
    T303: ['null', () => [release(causes.timerExpired)]],
    ...ending('T303')
  },
  outgoingCallProceeding: {
    // told again by a gatekeeper in between
    callProceeding: ['outgoingCallProceeding'],
    alerting: ['callDelivered', () => [stop('T310'), start('T301'), tell('alerting')]],
    // an announcement may take its time, and then the other side releases (Q.931 §5.1.6)
    progress: ['outgoingCallProceeding', () => [stop('T310'), start('T301'), tell('progress')]],
    connect: ['active', () => [stop('T310'), stop('T301'), tell('connected')]],
    setupAcknowledge: ['null', () => [stop('T310'), release(causes.invalidNumber)]],
    T310: ['null', () => [release(causes.timerExpired)]],
    T301: ['null', () => [release(causes.noAnswer)]],
    ...ending('T310', 'T301')
  },
  callDelivered: {
    callProceeding: ['callDelivered'],
    alerting: ['callDelivered'],
    progress: ['callDelivered', () => [tell('progress')]],
    connect: ['active', () => [stop('T301'), tell('connected')]],
    T301: ['null', () => [release(causes.noAnswer)]],
    ...ending('T301')
  },
  active: {
    // late ones of a gateway: Asterisk sends PROGRESS behind CONNECT
    progress: ['active'],
    alerting: ['active'],
    callProceeding: ['active'],
    connect: ['active'],
    statusRequest: ['active', () => [send('statusInquiry'), start('T322')]],
    status: ['active', () => [stop('T322')]],
    T322: ['null', () => [release(causes.timerExpired)]],
    ...ending('T322')
  }
} satisfies Table<CallerState, CallerEvent, StateEffect>

export const calledStates = {
  null: { setup: ['callPresent', () => [tell('offered')]] },
  callPresent: {
    proceedRequest: ['incomingCallProceeding', () => [send('callProceeding')]],
    alertRequest: ['callReceived', () => [send('alerting'), start('T301')]],
    progressRequest: ['incomingCallProceeding', () => [send('callProceeding'), send('progress')]],
    answerRequest: ['active', () => [send('connect'), tell('connected')]],
    ...ending()
  },
  incomingCallProceeding: {
    proceedRequest: ['incomingCallProceeding'],
    alertRequest: ['callReceived', () => [send('alerting'), start('T301')]],
    progressRequest: ['incomingCallProceeding', () => [send('progress')]],
    answerRequest: ['active', () => [send('connect'), tell('connected')]],
    ...ending()
  },
  callReceived: {
    proceedRequest: ['callReceived'],
    alertRequest: ['callReceived'],
    progressRequest: ['callReceived', () => [send('progress')]],
    answerRequest: ['active', () => [stop('T301'), send('connect'), tell('connected')]],
    // nobody answers here
    T301: ['null', () => [release(causes.noAnswer)]],
    ...ending('T301')
  },
  active: {
    statusRequest: ['active', () => [send('statusInquiry'), start('T322')]],
    status: ['active', () => [stop('T322')]],
    T322: ['null', () => [release(causes.timerExpired)]],
    ...ending('T322')
  }
} satisfies Table<CalledState, CalledEvent, StateEffect>

/** Numbers of the call state element. @see Q.931 table 4-8 */
export const stateNumbers: Readonly<Record<CallerState | CalledState, number>> = {
  null: 0,
  callInitiated: 1,
  outgoingCallProceeding: 3,
  callDelivered: 4,
  callPresent: 6,
  callReceived: 7,
  incomingCallProceeding: 9,
  active: 10
}
