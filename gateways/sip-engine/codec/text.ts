/** Scanning of header values: lists, parameters, quoted strings. Header text is held one character per octet (latin1). */
import { tokenPattern } from './names.ts'

const quote = 34
const backslash = 92
const comma = 44
const lessThan = 60
const greaterThan = 62

/** Text with folding undone: a line end with blanks behind it becomes one blank, blanks before it go too (RFC 3261 §7.3.1). */
export function unfolded(text: string): string {
  let out = ''
  let from = 0
  for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n', end + 2)) {
    if (!isBlank(text.charCodeAt(end + 2))) continue
    out += `${text.slice(from, endWithoutBlanks(text, from, end))} `
    from = skipBlanks(text, end + 2)
  }
  return from === 0 ? text : out + text.slice(from)
}

function endWithoutBlanks(text: string, from: number, end: number): number {
  let at = end
  while (at > from && isBlank(text.charCodeAt(at - 1))) at--
  return at
}

/** A part of `text` without the blanks around it. Blanks are space and tab: other octets that count as space elsewhere are text here. */
export function trimmed(text: string, from = 0, end = text.length): string {
  const start = Math.min(skipBlanks(text, from), end)
  return text.slice(start, endWithoutBlanks(text, start, end))
}

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
    const element = trimmed(value, start, end < 0 ? value.length : end)
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

/** Whether all of `text` is one RFC 3261 `token`; not the empty text. */
export function isToken(text: string): boolean {
  return tokenPattern.test(text)
}

/** The text inside a quoted string, escapes undone; text without quotes is given back as it is. */
export function unquoted(value: string): string {
  if (!value.startsWith('"')) return value
  const inner = value.endsWith('"') && value.length > 1 ? value.slice(1, -1) : value.slice(1)
  return inner.includes('\\') ? inner.replace(/\\([\s\S])/g, '$1') : inner
}

/** `text` as a quoted string. @throws {RangeError} for CR and LF, which no quoting can carry. */
export function quoted(text: string): string {
  if (/[\r\n]/.test(text)) throw new RangeError('a quoted string holds no line end')
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** `;name=value;flag` as parameters stand behind a value. Values are written as they are: quoted ones bring their quotes. */
export function formatParameters(parameters: Parameters): string {
  let text = ''
  for (const [name, value] of parameters) text += value === null ? `;${name}` : `;${name}=${value}`
  return text
}

/** Header or URI parameters; names in lower case, null for a parameter without value. Quotes of quoted values are kept. */
export type Parameters = ReadonlyMap<string, string | null>

/** Parameters of one value at most; a value with more is malformed. */
const maxParameters = 128

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
    if (parameters.size === maxParameters) return undefined
    const nameStart = at
    while (at < text.length && !isParameterEnd(text.charCodeAt(at))) {
      if (isDelimiter(text.charCodeAt(at))) return undefined
      at++
    }
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
    } else {
      while (at < text.length && text.charCodeAt(at) !== 59 && !isBlank(text.charCodeAt(at))) {
        if (isDelimiter(text.charCodeAt(at))) return undefined
        at++
      }
    }
    if (!parameters.has(name)) parameters.set(name, text.slice(valueStart, at))
    at = skipBlanks(text, at)
  }
  return parameters
}

/**
 * Where a parameter of `text` stands: from its semicolon to behind its value, in text that `parseParameters` reads.
 *
 * @param name in lower case.
 * @param from index of the first semicolon.
 */
export function parameterSpan(
  text: string,
  name: string,
  from: number
): { readonly start: number; readonly end: number } | undefined {
  let start = from
  while (start >= 0 && start < text.length) {
    let end = start + 1
    while (end < text.length && text.charCodeAt(end) !== 59) {
      end = text.charCodeAt(end) === quote ? skipQuoted(text, end) : end + 1
      if (end < 0) return undefined
    }
    const nameStart = skipBlanks(text, start + 1)
    let nameEnd = nameStart
    while (nameEnd < end && !isParameterEnd(text.charCodeAt(nameEnd))) nameEnd++
    if (nameEnd - nameStart === name.length && text.slice(nameStart, nameEnd).toLowerCase() === name) {
      while (isBlank(text.charCodeAt(end - 1))) end--
      return { start, end }
    }
    start = end
  }
  return undefined
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

/** What bounds values and lists, and so stands in a parameter only inside quotes. */
function isDelimiter(code: number): boolean {
  return code === quote || code === comma || code === lessThan || code === greaterThan
}

function isParameterEnd(code: number): boolean {
  return code === 59 || code === 61 || isBlank(code)
}

export function skipBlanks(text: string, from: number): number {
  let at = from
  while (at < text.length && isBlank(text.charCodeAt(at))) at++
  return at
}
