import { formatParameters, isToken, noParameters, type Parameters, parseParameters, trimmed } from './text.ts'

/** A Content-Type value. Type and subtype are in lower case. */
export interface MediaType {
  readonly type: string
  readonly subtype: string
  /** Values as written, quotes included. */
  readonly params: Parameters
}

/**
 * Reads `type/subtype;name=value` with blanks around the signs.
 *
 * @returns undefined where it is malformed.
 * @see RFC 3261 §20.15, §25.1 `media-type`
 */
export function parseMediaType(value: string): MediaType | undefined {
  const semicolon = value.indexOf(';')
  const nameEnd = semicolon < 0 ? value.length : semicolon
  const slash = value.indexOf('/')
  if (slash < 0 || slash > nameEnd) return undefined
  const type = trimmed(value, 0, slash).toLowerCase()
  const subtype = trimmed(value, slash + 1, nameEnd).toLowerCase()
  const params = semicolon < 0 ? noParameters : parseParameters(value, semicolon)
  if (params === undefined || !isToken(type) || !isToken(subtype)) return undefined
  return { type, subtype, params }
}

export function formatMediaType({ type, subtype, params }: MediaType): string {
  return `${type}/${subtype}${formatParameters(params)}`
}
