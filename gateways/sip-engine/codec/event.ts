/** Event and Subscription-State (RFC 6665 §8.2). */
import { formatParameters, isToken, noParameters, type Parameters, parseParameters, trimmed } from './text.ts'

export interface EventType {
  /** Package with its templates, as written: `presence`, `presence.winfo`. */
  readonly type: string
  readonly params: Parameters
}

export interface SubscriptionState {
  /** `active`, `pending`, `terminated`, or an extension, in lower case. */
  readonly state: string
  /** Seconds left; null when not told. */
  readonly expiresS: number | null
  /** Why it ended, in lower case; null when not told. */
  readonly reason: string | null
  /** Seconds until another try makes sense; null when not told. */
  readonly retryAfterS: number | null
  readonly params: Parameters
}

const seconds = /^\d{1,10}$/

function tokenWithParameters(value: string): { token: string; params: Parameters } | undefined {
  const semicolon = value.indexOf(';')
  const token = trimmed(value, 0, semicolon < 0 ? value.length : semicolon)
  const params = semicolon < 0 ? noParameters : parseParameters(value, semicolon)
  return params === undefined || !isToken(token) ? undefined : { token, params }
}

/** @returns undefined where it is malformed. */
export function parseEvent(value: string): EventType | undefined {
  const read = tokenWithParameters(value)
  if (read === undefined || !read.token.split('.').every((part) => part !== '')) return undefined
  return { type: read.token, params: read.params }
}

export function formatEvent(event: EventType): string {
  return event.type + formatParameters(event.params)
}

/** Whether a NOTIFY belongs to a subscription: same package and same `id`; other parameters do not count (RFC 6665 §8.2.1). */
export function sameEvent(a: EventType, b: EventType): boolean {
  return a.type === b.type && (a.params.get('id') ?? null) === (b.params.get('id') ?? null)
}

/** @returns undefined where it is malformed. */
export function parseSubscriptionState(value: string): SubscriptionState | undefined {
  const read = tokenWithParameters(value)
  if (read === undefined) return undefined
  const { params } = read
  const number = (name: string): number | null | undefined => {
    const text = params.get(name)
    if (text === undefined) return null
    return text !== null && seconds.test(text) ? Number(text) : undefined
  }
  const expiresS = number('expires')
  const retryAfterS = number('retry-after')
  if (expiresS === undefined || retryAfterS === undefined) return undefined
  return { state: read.token.toLowerCase(), expiresS, reason: params.get('reason')?.toLowerCase() ?? null, retryAfterS, params }
}

/** The parameters say `expires`, `reason` and `retry-after` too: they are written from there. */
export function formatSubscriptionState({ state, params }: SubscriptionState): string {
  return state + formatParameters(params)
}
