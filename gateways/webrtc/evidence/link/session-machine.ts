/**
 * A session between the council and one participant, as a table. Time comes as events: `timeout` after 10 s for one operation, `again` after the pause
 * before another attempt (1, 2, 4 s), `exhausted` when there is none left.
 *
 *     IDLE ──open──▶ CONNECTING ──handshake──▶ ACTIVE ⇄ DEGRADED
 *                     │   ▲  ▲                   │         │
 *            exhausted│   │  └──────lost─────────┴─────────┘
 *                     ▼   │ open
 *                    FAILED               end: CLOSED, from everywhere
 */
import { type Step, step, type Table } from '#kernel'

export const sessionStates = ['IDLE', 'CONNECTING', 'ACTIVE', 'DEGRADED', 'FAILED', 'CLOSED'] as const
export type SessionState = (typeof sessionStates)[number]

/** Of one operation: a handshake, an offer, the way of a chunk. */
export const operationMs = 10_000
/** Before the second, third and fourth attempt. */
export const retriesMs: readonly number[] = [1000, 2000, 4000]

export type SessionEvent =
  | { readonly type: 'open' }
  /** The other's handshake came. */
  | { readonly type: 'handshake' }
  | { readonly type: 'timeout' }
  | { readonly type: 'again' }
  | { readonly type: 'exhausted' }
  /** The channel is gone; the participant may come back. */
  | { readonly type: 'lost' }
  /** A file could not be handed over. */
  | { readonly type: 'transferFailed' }
  /** None is left that could not be. */
  | { readonly type: 'transfersWhole' }
  | { readonly type: 'end'; readonly reason: string }

export type SessionEffect =
  | { readonly do: 'sayHandshake' }
  | { readonly do: 'sayEnd'; readonly reason: string }
  | { readonly do: 'waitOperation' }
  | { readonly do: 'waitAgain' }
  | { readonly do: 'stopWaiting' }
  /** Begins, or begins again, what is to be handed over. */
  | { readonly do: 'begin' }
  /** Transfers stand still until there is a channel. */
  | { readonly do: 'pause' }
  /** Everything that is held goes. */
  | { readonly do: 'free' }

const attempt = (): readonly SessionEffect[] => [{ do: 'sayHandshake' }, { do: 'waitOperation' }]
const pause = (): readonly SessionEffect[] => [{ do: 'stopWaiting' }, { do: 'pause' }]
/** The participant has as long to come back as all attempts take. */
const awaitReturn = (): readonly SessionEffect[] => [...pause(), { do: 'waitOperation' }]
const endWord = ({ reason }: { reason: string }): readonly SessionEffect[] => [
  { do: 'stopWaiting' },
  { do: 'sayEnd', reason },
  { do: 'free' }
]

const sessionTable = {
  IDLE: {
    open: ['CONNECTING', attempt],
    end: ['CLOSED', () => [{ do: 'free' }]]
  },
  CONNECTING: {
    open: ['CONNECTING', attempt],
    handshake: ['ACTIVE', () => [{ do: 'stopWaiting' }, { do: 'begin' }]],
    timeout: ['CONNECTING', () => [{ do: 'waitAgain' }]],
    again: ['CONNECTING', attempt],
    exhausted: ['FAILED', pause],
    lost: ['CONNECTING', awaitReturn],
    end: ['CLOSED', endWord]
  },
  ACTIVE: {
    transferFailed: ['DEGRADED'],
    lost: ['CONNECTING', awaitReturn],
    end: ['CLOSED', endWord]
  },
  DEGRADED: {
    transfersWhole: ['ACTIVE'],
    lost: ['CONNECTING', awaitReturn],
    end: ['CLOSED', endWord]
  },
  FAILED: {
    open: ['CONNECTING', attempt],
    end: ['CLOSED', endWord]
  },
  CLOSED: {}
} satisfies Table<SessionState, SessionEvent, SessionEffect>

export const stepSession = (state: SessionState, event: SessionEvent): Step<SessionState, SessionEffect> =>
  step<SessionState, SessionEvent, SessionEffect, void>(sessionTable, state, event, undefined)
