/**
 * Reads an entry's place in the log by the positions of its octets.
 *
 * The members of an entry stand in the order of RFC 8785:
 *
 *     {"component":"IF.proxy","cost":"0.1","event":"INVITE","index":7,"model":"m","parent_trace_id":"t","payload":{…},"prev":"<64 hex digits>",
 *      "time":"2026-01-01T00:00:00.000Z","tokens_in":1,"tokens_out":2,"trace_id":"t","v":1}
 *
 * `index` is read from the front. Before it stand only names and a decimal, and neither may hold a quote: what is matched from the first octet on can
 * be nothing but these members. `prev` is read from the back. From the last octet toward the front stand `v`, a trace id without quotes and
 * backslashes, whole numbers and a time of 24 octets, each with its name. Every quote matched on the way has an octet before it that is no backslash, so
 * none of them is an escaped one inside a text; and no bracket is passed, so all of them belong to the outermost object. A payload
 * that holds `"prev":"…"` or `"index":9` as text or as a member of its own stands between the two and is never looked at. What does not fit (a trace id with a
 * quote in it) is read octet by octet from the front instead: canonical.ts.
 */

/** Where an entry says it stands. One object is used again for each entry. */
export interface EntryPlace {
  index: number
  /** Where the 64 hex digits of the hash before it begin. */
  prevAt: number
  /** Grows with the time of the entry, and with nothing else. */
  order: number
  componentAt: number
  componentEnd: number
  eventAt: number
  eventEnd: number
}

export const newPlace = (): EntryPlace => ({
  index: -1,
  prevAt: -1,
  order: 0,
  componentAt: 0,
  componentEnd: 0,
  eventAt: 0,
  eventEnd: 0
})

const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1')

const beforeComponent = octets('{"component":"')
const beforeCost = octets(',"cost":"')
const beforeEvent = octets(',"event":"')
const beforeIndex = octets(',"index":')
const afterIndex = [octets(',"model":"'), octets(',"parent_trace_id":"'), octets(',"payload":{')]
const beforePrev = octets('},"prev":"')
const beforeTime = octets('","time":"')
const beforeTokensIn = octets(',"tokens_in":')
const beforeTokensOut = octets(',"tokens_out":')
const beforeTraceId = octets(',"trace_id":"')
const lastOctets = octets('","v":1}')

const quote = 0x22
const zero = 0x30
const nine = 0x39

const tableOf = (characters: RegExp): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, code) => (code < 128 && characters.test(String.fromCharCode(code)) ? 1 : 0))
const inName = tableOf(/[A-Za-z0-9_.:-]/)
const inDecimal = tableOf(/[0-9.]/)
/** Octets of a trace id that stand for themselves in JSON. */
const inTraceId = tableOf(/[!#-[\]-~]/)

/** Values of hex digits; for anything else one that no octet is made of. */
const nibbles = new Uint16Array(256).fill(0x100)
for (let value = 0; value < 16; value++) nibbles['0123456789abcdef'.charCodeAt(value)] = value

function matches(data: Uint8Array, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (data[at + i] !== expected[i]) return false
  return true
}

/** First octet from `at` on that is not of the table, at most `limit` further. */
function pass(data: Uint8Array, at: number, limit: number, table: Uint8Array): number {
  let end = at
  while (end - at <= limit && table[data[end]!] === 1) end++
  return end
}

/** First octet of the digits that end before `end`. */
function digitsBefore(data: Uint8Array, end: number): number {
  let at = end
  while (end - at < 17 && data[at - 1]! >= zero && data[at - 1]! <= nine) at--
  return at
}

const longestName = 128
const hexDigits = 64
const timeOctets = 24

/**
 * Reads the place of the entry in `data` from `start` to `end` into `place`.
 *
 * @returns whether the entry has the form of which the positions are sure; what `place` holds is of use only then
 */
export function readPlace(data: Uint8Array, start: number, end: number, place: EntryPlace): boolean {
  let at = start
  if (!matches(data, at, beforeComponent)) return false
  place.componentAt = at + beforeComponent.length
  at = place.componentEnd = pass(data, place.componentAt, longestName, inName)
  if (data[at] !== quote || at === place.componentAt) return false
  at++
  if (matches(data, at, beforeCost)) {
    at = pass(data, at + beforeCost.length, 40, inDecimal)
    if (data[at] !== quote) return false
    at++
  }
  if (!matches(data, at, beforeEvent)) return false
  place.eventAt = at + beforeEvent.length
  at = place.eventEnd = pass(data, place.eventAt, longestName, inName)
  if (data[at] !== quote || at === place.eventAt) return false
  at++
  if (!matches(data, at, beforeIndex)) return false
  at += beforeIndex.length
  const indexAt = at
  let index = 0
  for (; at - indexAt < 16 && data[at]! >= zero && data[at]! <= nine; at++) index = index * 10 + data[at]! - zero
  if (at === indexAt || (data[indexAt] === zero && at > indexAt + 1) || index > Number.MAX_SAFE_INTEGER) return false
  place.index = index
  if (!matches(data, at, afterIndex[2]!) && !matches(data, at, afterIndex[1]!) && !matches(data, at, afterIndex[0]!)) return false
  const indexEnd = at

  at = end - lastOctets.length
  if (at <= indexEnd || !matches(data, at, lastOctets)) return false
  const traceEnd = at
  while (traceEnd - at < longestName && inTraceId[data[at - 1]!] === 1) at--
  if (at === traceEnd) return false
  at -= beforeTraceId.length
  if (!matches(data, at, beforeTraceId)) return false
  for (const name of [beforeTokensOut, beforeTokensIn]) {
    const digits = digitsBefore(data, at)
    if (digits < at && matches(data, digits - name.length, name)) at = digits - name.length
  }
  if (data[--at] !== quote) return false
  const timeAt = at - timeOctets
  at = timeAt - beforeTime.length
  if (!matches(data, at, beforeTime)) return false
  place.order = timeOrder(data, timeAt)
  if (place.order < 0) return false
  place.prevAt = at - hexDigits
  return place.prevAt - beforePrev.length >= indexEnd && matches(data, place.prevAt - beforePrev.length, beforePrev)
}

const hyphen = 0x2d
const colon = 0x3a

/** The number in `count` digits; NaN when one of them is none. */
function decimalAt(data: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const digit = data[i]! - zero
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/** A number in the order of the times `YYYY-MM-DDThh:mm:ss.sssZ`; -1 for anything of another form. */
export function timeOrder(data: Uint8Array, at: number): number {
  if (data[at + 4] !== hyphen || data[at + 7] !== hyphen || data[at + 10] !== 0x54) return -1
  if (data[at + 13] !== colon || data[at + 16] !== colon || data[at + 19] !== 0x2e || data[at + 23] !== 0x5a) return -1
  const day = (decimalAt(data, at, 4) * 12 + decimalAt(data, at + 5, 2)) * 32 + decimalAt(data, at + 8, 2)
  const minute = decimalAt(data, at + 11, 2) * 60 + decimalAt(data, at + 14, 2)
  const ms = (minute * 60 + decimalAt(data, at + 17, 2)) * 1000 + decimalAt(data, at + 20, 3)
  const order = day * 86_400_000 + ms
  return Number.isNaN(order) ? -1 : order
}

/** Whether the 64 hex digits at `at` are those of `hash`, a character for an octet. */
export function isHexOf(data: Uint8Array, at: number, hash: string): boolean {
  for (let i = 0; i < hash.length; i++) {
    if (((nibbles[data[at + 2 * i]!]! << 4) | nibbles[data[at + 2 * i + 1]!]!) !== hash.charCodeAt(i)) return false
  }
  return true
}

/** Whether the octets from `start` to `end` are those of `text`. */
export const isText = (data: Uint8Array, start: number, end: number, text: Uint8Array): boolean =>
  end - start === text.length && matches(data, start, text)
