import type { z } from 'zod'
import type { Caller, Role } from './tokens.ts'

/** What a handler is given: checked, in the shapes of the route's schemas. */
export interface Asked<Query, Params, Body> {
  readonly query: Query
  readonly params: Params
  readonly body: Body
  /** Of a route that takes octets; empty for others. */
  readonly octets: AsyncIterable<Uint8Array>
  /** Of those octets, as the request declares them; null where it does not. */
  readonly octetCount: number | null
  /** Behind `/tile/`, as it was written; empty for other routes. */
  readonly path: string
  /** Null on routes that anybody may use. */
  readonly caller: Caller | null
  readonly header: (name: string) => string | undefined
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status?: number
  readonly mediaType: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export const jsonAnswer = (value: unknown, headers: Record<string, string> = {}): Answer => ({
  mediaType: 'application/json',
  body: JSON.stringify(value),
  headers: { 'cache-control': 'no-store', ...headers }
})

/** Events as they come, until the caller goes or the service ends. @see WHATWG HTML §9.2 */
export interface EventStream {
  readonly stream: (send: (text: string) => Promise<void>, signal: AbortSignal) => Promise<void>
}

/** Who may use a route. An admin may use each. */
export type Access = 'anybody' | Exclude<Role, 'admin'> | 'admin'

/** One route: what the service does, and what the OpenAPI document says it does. */
export interface Route {
  readonly method: 'GET' | 'POST'
  /** With parameters in braces. */
  readonly path: string
  readonly operation: string
  readonly summary: string
  readonly access: Access
  /** Roles that may use it beside that one. */
  readonly alsoFor?: readonly Role[]
  /** Whether the body is octets (`application/octet-stream`), read as they come: up to ten minutes long, of any number. `body` is null then. */
  readonly takesOctets?: true
  readonly query: z.ZodType | null
  readonly params: z.ZodType | null
  readonly body: z.ZodType | null
  /** The answer of a success, by media type; null for octets or text. */
  readonly answers: Readonly<Record<string, z.ZodType | null>>
  /** Kinds of problems beside those that every route may tell of. */
  readonly statuses: readonly number[]
  readonly handle: (asked: Asked<never, never, never>) => Promise<Answer | EventStream>
}

type Parsed<T> = T extends z.ZodType ? z.infer<T> : null

/** A route whose handler is given what its schemas say. */
export function route<Q extends z.ZodType | null, P extends z.ZodType | null, B extends z.ZodType | null>(
  told: Omit<Route, 'query' | 'params' | 'body' | 'handle'> & {
    readonly query: Q
    readonly params: P
    readonly body: B
    readonly handle: (asked: Asked<Parsed<Q>, Parsed<P>, Parsed<B>>) => Promise<Answer | EventStream>
  }
): Route {
  return told as Route
}
