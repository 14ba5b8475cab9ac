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

/** Octets that are read one by one, and by words of four. */
export interface Octets {
  readonly data: Uint8Array
  readonly words: DataView
}

export const octetsOf = (data: Uint8Array): Octets => ({
  data,
  words: new DataView(data.buffer, data.byteOffset, data.byteLength)
})

/** A text of four octets or more to hold others against: its words one behind the other, of which the last one ends where the text does. */
interface Literal {
  readonly length: number
  readonly words: Int32Array
}

function literal(text: string): Literal {
  const { data, words } = octetsOf(Buffer.from(text, 'latin1'))
  const places = Array.from({ length: Math.ceil(data.length / 4) }, (_, i) => Math.min(4 * i, data.length - 4))
  return { length: data.length, words: Int32Array.from(places, (at) => words.getInt32(at)) }
}

const beforeComponent = literal('{"component":"')
const beforeCost = literal(',"cost":"')
const beforeEvent = literal(',"event":"')
const beforeIndex = literal(',"index":')
const beforeModel = literal(',"model":"')
const beforeParent = literal(',"parent_trace_id":"')
const beforePayload = literal(',"payload":{')
const beforePrev = literal('},"prev":"')
const beforeTime = literal('","time":"')
const beforeTokensIn = literal(',"tokens_in":')
const beforeTokensOut = literal(',"tokens_out":')
const beforeTraceId = literal(',"trace_id":"')
const lastOctets = literal('","v":1}')

const quote = 0x22
const zero = 0x30
const nine = 0x39

const tableOf = (characters: RegExp): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, code) => (code < 128 && characters.test(String.fromCharCode(code)) ? 1 : 0))
const inName = tableOf(/[A-Za-z0-9_.:-]/)
const inDecimal = tableOf(/[0-9.]/)
/** Octets of a trace id that stand for themselves in JSON. */
const inTraceId = tableOf(/[!#-[\]-~]/)

function matches({ data, words }: Octets, at: number, text: Literal): boolean {
  const last = at + text.length - 4
  if (at < 0 || last + 4 > data.length) return false
  let number = 0
  for (let from = at; from < last; from += 4) if (words.getInt32(from) !== text.words[number++]) return false
  return words.getInt32(last) === text.words[number]
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
 * Reads the place of the entry in `octets` from `start` to `end` into `place`.
 *
 * @returns whether the entry has the form of which the positions are sure; what `place` holds is of use only then
 */
export function readPlace(octets: Octets, start: number, end: number, place: EntryPlace): boolean {
  const { data } = octets
  let at = start
  if (!matches(octets, at, beforeComponent)) return false
  place.componentAt = at + beforeComponent.length
  at = place.componentEnd = pass(data, place.componentAt, longestName, inName)
  if (data[at] !== quote || at === place.componentAt) return false
  at++
  if (matches(octets, at, beforeCost)) {
    at = pass(data, at + beforeCost.length, 40, inDecimal)
    if (data[at] !== quote) return false
    at++
  }
  if (!matches(octets, at, beforeEvent)) return false
  place.eventAt = at + beforeEvent.length
  at = place.eventEnd = pass(data, place.eventAt, longestName, inName)
  if (data[at] !== quote || at === place.eventAt) return false
  at++
  if (!matches(octets, at, beforeIndex)) return false
  at += beforeIndex.length
  const indexAt = at
  let index = 0
  for (; at - indexAt < 16 && data[at]! >= zero && data[at]! <= nine; at++) index = index * 10 + data[at]! - zero
  if (at === indexAt || (data[indexAt] === zero && at > indexAt + 1) || index > Number.MAX_SAFE_INTEGER) return false
  place.index = index
  if (!matches(octets, at, beforePayload) && !matches(octets, at, beforeParent) && !matches(octets, at, beforeModel)) return false
  const indexEnd = at

  at = end - lastOctets.length
  if (at <= indexEnd || !matches(octets, at, lastOctets)) return false
  const traceEnd = at
  while (traceEnd - at < longestName && inTraceId[data[at - 1]!] === 1) at--
  if (at === traceEnd) return false
  at -= beforeTraceId.length
  if (!matches(octets, at, beforeTraceId)) return false
  at = beforeCount(octets, at, beforeTokensOut)
  at = beforeCount(octets, at, beforeTokensIn)
  if (data[--at] !== quote) return false
  const timeAt = at - timeOctets
  at = timeAt - beforeTime.length
  if (!matches(octets, at, beforeTime)) return false
  place.order = timeOrder(data, timeAt)
  if (place.order < 0) return false
  place.prevAt = at - hexDigits
  return place.prevAt - beforePrev.length >= indexEnd && matches(octets, place.prevAt - beforePrev.length, beforePrev)
}

/** Where the member `name` begins, when it and its digits end before `end`; else `end`. */
function beforeCount(octets: Octets, end: number, name: Literal): number {
  const digits = digitsBefore(octets.data, end)
  return digits < end && matches(octets, digits - name.length, name) ? digits - name.length : end
}

const hyphen = 0x2d
const colon = 0x3a

/** Values of two digits by the word that they are, big-endian; −1 for anything else. */
const twoDigits = new Int8Array(1 << 16).fill(-1)
for (let value = 0; value < 100; value++) twoDigits[((zero + Math.floor(value / 10)) << 8) | (zero + (value % 10))] = value

const pairAt = (data: Uint8Array, at: number): number => twoDigits[(data[at]! << 8) | data[at + 1]!]!

/** A number in the order of the times `YYYY-MM-DDThh:mm:ss.sssZ`; -1 for anything of another form. */
export function timeOrder(data: Uint8Array, at: number): number {
  if (data[at + 4] !== hyphen || data[at + 7] !== hyphen || data[at + 10] !== 0x54) return -1
  if (data[at + 13] !== colon || data[at + 16] !== colon || data[at + 19] !== 0x2e || data[at + 23] !== 0x5a) return -1
  const century = pairAt(data, at)
  const year = pairAt(data, at + 2)
  const month = pairAt(data, at + 5)
  const day = pairAt(data, at + 8)
  const hour = pairAt(data, at + 11)
  const minute = pairAt(data, at + 14)
  const second = pairAt(data, at + 17)
  const hundredth = pairAt(data, at + 20)
  const thousandth = data[at + 22]! - zero
  if ((century | year | month | day | hour | minute | second | hundredth | thousandth | (9 - thousandth)) < 0) return -1
  const days = ((century * 100 + year) * 12 + month) * 32 + day
  return days * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000 + hundredth * 10 + thousandth
}

/** The two hex digits of each octet, as two octets big-endian. */
const hexOf = Uint16Array.from({ length: 256 }, (_, octet) => Buffer.from(octet.toString(16).padStart(2, '0')).readUInt16BE())

/** Whether the hex digits at `at` are those of `hash`, of an even number of octets. */
export function isHexOf({ words }: Octets, at: number, hash: Uint8Array): boolean {
  for (let i = 0; i < hash.length; i += 2) {
    if (words.getInt32(at + 2 * i) !== ((hexOf[hash[i]!]! << 16) | hexOf[hash[i + 1]!]!)) return false
  }
  return true
}

/** Whether the octets from `start` to `end` are those of `text`. */
export function isText(data: Uint8Array, start: number, end: number, text: Uint8Array): boolean {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (data[start + i] !== text[i]) return false
  return true
}
