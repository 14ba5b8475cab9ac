/**
 * Errors as the service tells them to strangers: what they can do about it, and nothing of what went on inside.
 *
 * @see RFC 9457
 */
import { STATUS_CODES } from 'node:http'
import { errorCode } from '#kernel'
import { keyTaken } from '../store/known.ts'

/** Every kind of problem the service tells of, with its status. The type URI is `urn:infrafabric:problem:<kind>`; both are stable. */
const problemKinds = {
  'invalid-request': 400,
  'invalid-cursor': 400,
  'invalid-entry': 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  timeout: 408,
  late: 409,
  'key-taken': 409,
  refused: 409,
  'too-large': 413,
  'unsupported-media-type': 415,
  'not-a-cosignature': 422,
  'rate-limited': 429,
  'headers-too-large': 431,
  internal: 500,
  'read-only': 503,
  busy: 503,
  'not-leader': 503,
  'out-of-service': 503
} as const

export type ProblemKind = keyof typeof problemKinds

export const problemMediaType = 'application/problem+json'

export interface ProblemDocument {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  /** What is wrong with which part of the request. */
  readonly errors?: readonly { readonly at: string; readonly message: string; readonly code?: string }[]
}

/** Thrown where a request cannot be served; its text goes to the caller. */
export class Problem extends Error {
  readonly kind: ProblemKind
  readonly errors: ProblemDocument['errors']
  /** Seconds after which the same request may succeed. */
  readonly retryAfterS: number | undefined

  constructor(kind: ProblemKind, detail: string, more: { errors?: ProblemDocument['errors']; retryAfterS?: number } = {}) {
    super(detail)
    this.name = 'Problem'
    this.kind = kind
    this.errors = more.errors
    this.retryAfterS = more.retryAfterS
  }

  get status(): number {
    return problemKinds[this.kind]
  }

  document(): ProblemDocument {
    return {
      type: `urn:infrafabric:problem:${this.kind}`,
      title: STATUS_CODES[this.status]!,
      status: this.status,
      detail: this.message,
      ...(this.errors === undefined ? {} : { errors: this.errors })
    }
  }
}

/** What other errors are to a caller. The codes of fastify and of Node's HTTP are stable. */
const kindOfCode: Readonly<Record<string, readonly [kind: ProblemKind, detail: string]>> = {
  'ledger.entry.reserved': ['invalid-entry', 'an entry is for the ledger alone to tell'],
  'ledger.entry.invalid': ['invalid-entry', 'an entry cannot be taken'],
  'ledger.entry.too-large': ['invalid-entry', 'an entry is too large'],
  'ledger.key.invalid': ['invalid-entry', 'an idempotency key has 1 to 128 printable ASCII characters'],
  [keyTaken]: ['key-taken', 'another entry stands under an idempotency key'],
  'ledger.store.busy': ['busy', 'the ledger has another writer just now'],
  'ledger.store.after-failure': ['busy', 'an append before this one failed'],
  'ledger.store.not-leader': ['not-leader', 'another server leads'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'the body is too large'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported-media-type', 'the body is of a media type that is not taken here'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid-request', 'the body is not JSON'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid-request', 'the body is empty'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid-request', 'the body is not as long as its header says'],
  FST_ERR_BAD_URL: ['invalid-request', 'the path cannot be read'],
  HPE_HEADER_OVERFLOW: ['headers-too-large', 'the header is longer than 16 KiB'],
  ERR_HTTP_REQUEST_TIMEOUT: ['timeout', 'the request did not come to its end in time']
}

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  const code = errorCode(error)
  const known = kindOfCode[code]
  if (known !== undefined) {
    const [kind, detail] = known
    return new Problem(kind, detail, problemKinds[kind] === 503 ? { retryAfterS: 1 } : {})
  }
  if (code.startsWith('HPE_')) return new Problem('invalid-request', 'the request is no HTTP')
  if (code.startsWith('ledger.')) return new Problem('out-of-service', 'the ledger cannot be reached', { retryAfterS: 5 })
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status >= 400 && status < 500) return new Problem('invalid-request', 'the request cannot be read')
  return new Problem('internal', 'the request failed')
}
