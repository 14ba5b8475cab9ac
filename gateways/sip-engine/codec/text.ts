/** Scanning of header values: lists, parameters, quoted strings. Header text is held one character per octet (latin1). */

const quote = 34
const backslash = 92
const comma = 44
const lessThan = 60
const greaterThan = 62

/** Index of the first comma of `value` from `from` that stands outside quotes and angle brackets, or -1. */
export function nextComma(value: string, from = 0): number {
  if (value.indexOf(',', from) < 0) return -1
  let inQuotes = false
  let depth = 0
  for (let at = from; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (inQuotes) {
      if (code === backslash) at++
      else if (code === quote) inQuotes = false
    } else if (code === quote) inQuotes = true
    else if (code === lessThan) depth++
    else if (code === greaterThan) depth--
    else if (code === comma && depth <= 0) return at
  }
  return -1
}

/** Splits a comma-separated header value; empty elements are left out. */
export function splitList(value: string): string[] {
  const elements: string[] = []
  let start = 0
  for (;;) {
    const end = nextComma(value, start)
    const element = (end < 0 ? value.slice(start) : value.slice(start, end)).trim()
    if (element !== '') elements.push(element)
    if (end < 0) return elements
    start = end + 1
  }
}

/** Index just behind the quoted string that begins at `start`, or -1 when it has no end. */
export function skipQuoted(value: string, start: number): number {
  for (let at = start + 1; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === backslash) at++
    else if (code === quote) return at + 1
  }
  return -1
}

/** Header or URI parameters; names in lower case, null for a parameter without value. Quotes of quoted values are kept. */
export type Parameters = ReadonlyMap<string, string | null>

export const noParameters: Parameters = new Map()

/**
 * Reads `;name=value;flag` with blanks around the signs, to the end of `text`.
 *
 * @returns undefined where the text is not of that form.
 */
export function parseParameters(text: string, from = 0): Parameters | undefined {
  let at = skipBlanks(text, from)
  if (at === text.length) return noParameters
  const parameters = new Map<string, string | null>()
  while (at < text.length) {
    if (text.charCodeAt(at) !== 59) return undefined
    at = skipBlanks(text, at + 1)
    if (at === text.length) break
    const nameStart = at
    while (at < text.length && !isParameterEnd(text.charCodeAt(at))) at++
    const name = text.slice(nameStart, at).toLowerCase()
    if (name === '') return undefined
    at = skipBlanks(text, at)
    if (text.charCodeAt(at) !== 61) {
      if (!parameters.has(name)) parameters.set(name, null)
      continue
    }
    at = skipBlanks(text, at + 1)
    const valueStart = at
    if (text.charCodeAt(at) === quote) {
      at = skipQuoted(text, at)
      if (at < 0) return undefined
    } else while (at < text.length && text.charCodeAt(at) !== 59 && !isBlank(text.charCodeAt(at))) at++
    if (!parameters.has(name)) parameters.set(name, text.slice(valueStart, at))
    at = skipBlanks(text, at)
  }
  return parameters
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

function isParameterEnd(code: number): boolean {
  return code === 59 || code === 61 || isBlank(code)
}

export function skipBlanks(text: string, from: number): number {
  let at = from
  while (at < text.length && isBlank(text.charCodeAt(at))) at++
  return at
}
