/** What the four transaction machines are told and what they ask for. Timers keep the letters of RFC 3261 §17 and RFC 6026. */
export type TimerName = 'A' | 'B' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M'

export type Effect =
  | { readonly type: 'startTimer'; readonly timer: TimerName; readonly delayMs: number }
  | { readonly type: 'stopTimer'; readonly timer: TimerName }
  /** Send (again) the request of a client transaction. */
  | { readonly type: 'sendRequest' }
  /** Send (again) the latest response of a server transaction. */
  | { readonly type: 'sendResponse' }
  /** Send the ACK for the non-2xx final response of an INVITE client transaction. */
  | { readonly type: 'sendAck' }
  /** Tell the transaction user. The message that caused it is at hand where the event came in. */
  | {
      readonly type: 'tell'
      readonly what: 'provisional' | 'success' | 'failure' | 'timeout' | 'transportError' | 'unacknowledged'
    }

/** Timer values in milliseconds, and the retransmission interval a machine is at. The machine that is given it may change it. */
export interface TransactionContext {
  readonly t1Ms: number
  readonly t2Ms: number
  readonly t4Ms: number
  /** TCP, TLS: nothing is retransmitted, and nothing lingers to absorb retransmissions. */
  readonly reliable: boolean
  intervalMs: number
}

export const startTimer = (timer: TimerName, delayMs: number): Effect => ({ type: 'startTimer', timer, delayMs })
export const stopTimer = (timer: TimerName): Effect => ({ type: 'stopTimer', timer })
export const sendRequest: Effect = { type: 'sendRequest' }
export const sendResponse: Effect = { type: 'sendResponse' }
export const sendAck: Effect = { type: 'sendAck' }
export const tell = (what: Extract<Effect, { type: 'tell' }>['what']): Effect => ({ type: 'tell', what })

/** Doubles the interval, up to `capMs`, and starts the timer with it. */
export function backOff(timer: TimerName, context: TransactionContext, capMs: number): Effect {
  context.intervalMs = Math.min(context.intervalMs * 2, capMs)
  return startTimer(timer, context.intervalMs)
}
