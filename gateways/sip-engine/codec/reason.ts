import {
  formatParameters,
  isToken,
  noParameters,
  type Parameters,
  parseParameters,
  splitList,
  trimmed,
  unquoted
} from './text.ts'

/** Why a request was sent: `SIP;cause=200;text="Call completed elsewhere"`. */
export interface Reason {
  /** `SIP`, `Q.850` …, as written. */
  readonly protocol: string
  /** Status code or Q.850 cause; null when there is none. */
  readonly cause: number | null
  /** Without its quotes; null when there is none. */
  readonly text: string | null
  readonly params: Parameters
}

const maxReasons = 32
const causeForm = /^\d{1,6}$/

/**
 * Reads a Reason field, which may hold several values.
 *
 * @returns undefined where it is malformed.
 * @see RFC 3326 §2
 */
export function parseReasons(value: string): Reason[] | undefined {
  const reasons: Reason[] = []
  for (const element of splitList(value)) {
    const semicolon = element.indexOf(';')
    const protocol = trimmed(element, 0, semicolon < 0 ? element.length : semicolon)
    const params = semicolon < 0 ? noParameters : parseParameters(element, semicolon)
    if (params === undefined || !isToken(protocol) || reasons.length === maxReasons) return undefined
    const cause = params.get('cause')
    if (cause !== undefined && (cause === null || !causeForm.test(cause))) return undefined
    const text = params.get('text')
    reasons.push({
      protocol,
      cause: cause === undefined ? null : Number(cause),
      text: text === undefined || text === null ? null : unquoted(text),
      params
    })
  }
  return reasons.length === 0 ? undefined : reasons
}

/** Cause and text are written from the parameters. */
export function formatReason({ protocol, params }: Reason): string {
  return protocol + formatParameters(params)
}
