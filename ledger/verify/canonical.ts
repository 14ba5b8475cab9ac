/**
 * Whether octets are canonical JSON (RFC 8785) in I-JSON's bounds (RFC 7493): read octet by octet, with nothing built but keys and numbers.
 *
 * Text that passes has one reading only: no blanks, no key twice, keys in the order of their UTF-16 code units, each character written in the one way
 * there is, well-formed UTF-8.
 */

/** Where the members of the outermost object stand: name → first and last octet (exclusive) of the value. */
export type Members = ReadonlyMap<string, readonly [start: number, end: number]>

const deepest = 66

/** Octets that are not canonical JSON: says where and why. Known inside the verifier only, whose threads start quicker without the kernel. */
export class NotCanonical extends Error {}

class Reader {
  readonly data: Uint8Array
  readonly end: number
  readonly begin: number
  at: number
  constructor(data: Uint8Array, start: number, end: number) {
    this.data = data
    this.begin = start
    this.at = start
    this.end = end
  }

  fail(problem: string): never {
    throw new NotCanonical(`octet ${this.at - this.begin}: ${problem}`)
  }

  /** The octet at hand; -1 behind the end, so that nothing outside the entry is read. */
  peek(): number {
    return this.at < this.end ? this.data[this.at]! : -1
  }

  take(octet: number): void {
    if (this.peek() !== octet) this.fail(`expected ${String.fromCharCode(octet)}`)
    this.at++
  }

  value(depth: number): void {
    if (depth > deepest) this.fail('nested too deep')
    const octet = this.peek()
    if (octet === 0x22) this.string()
    else if (octet === 0x7b) this.object(depth, null)
    else if (octet === 0x5b) this.array(depth)
    else if (octet === 0x74) this.word('true')
    else if (octet === 0x66) this.word('false')
    else if (octet === 0x6e) this.word('null')
    else this.number()
  }

  word(text: string): void {
    for (let i = 0; i < text.length; i++) this.take(text.charCodeAt(i))
  }

  array(depth: number): void {
    this.at++
    if (this.peek() === 0x5d) {
      this.at++
      return
    }
    for (;;) {
      this.value(depth + 1)
      if (this.peek() !== 0x2c) break
      this.at++
    }
    this.take(0x5d)
  }

  object(depth: number, members: Map<string, readonly [number, number]> | null): void {
    this.take(0x7b)
    if (this.peek() === 0x7d) {
      this.at++
      return
    }
    let last: string | null = null
    for (;;) {
      const key = this.key()
      // JavaScript compares texts by their UTF-16 code units, as RFC 8785 §3.2.3 wants it
      if (last !== null && !(last < key)) this.fail('a key out of order')
      last = key
      this.take(0x3a)
      const start = this.at
      this.value(depth + 1)
      members?.set(key, [start, this.at])
      if (this.peek() !== 0x2c) break
      this.at++
    }
    this.take(0x7d)
  }

  key(): string {
    const start = this.at
    if (this.peek() !== 0x22) this.fail('expected a key')
    this.string()
    return JSON.parse(textOf(this.data, start, this.at)) as string
  }

  /** ECMAScript's way to write a number is the canonical one, so a number is canonical when it comes back from being read. */
  number(): void {
    const start = this.at
    while (this.at < this.end && inNumber[this.data[this.at]!] === 1) this.at++
    const text = textOf(this.data, start, this.at)
    if (text === '' || JSON.stringify(Number(text)) !== text) this.fail('not a value, or not in its canonical form')
  }

  string(): void {
    this.at++
    for (;;) {
      const octet = this.peek()
      if (octet === 0x22) {
        this.at++
        return
      }
      if (octet < 0x20) this.fail(octet < 0 ? 'a text without an end' : 'a control character')
      if (octet === 0x5c) this.escape()
      else if (octet < 0x80) this.at++
      else this.sequence(octet)
    }
  }

  /** RFC 8785 §3.2.2.2: two characters where JSON has such a form, \u00xx in small letters for the other control characters, nothing else. */
  escape(): void {
    this.at++
    const octet = this.peek()
    this.at++
    if (shortEscapes.has(octet)) return
    if (octet !== 0x75) this.fail('an escape that is not canonical')
    const digits = textOf(this.data, this.at, Math.min(this.at + 4, this.end))
    if (!/^00(?:0[0-7be-f]|1[0-9a-f])$/.test(digits)) this.fail('an escape that is not canonical')
    this.at += 4
  }

  /** One character of two to four octets. @see RFC 3629 §4 */
  sequence(first: number): void {
    const more = first >= 0xc2 && first <= 0xdf ? 1 : first >= 0xe0 && first <= 0xef ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0
    if (more === 0 || this.at + more >= this.end) this.fail('not UTF-8')
    const second = this.data[this.at + 1]!
    const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80
    const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf
    if (second < low || second > high) this.fail('not UTF-8')
    for (let i = 2; i <= more; i++) if ((this.data[this.at + i]! & 0xc0) !== 0x80) this.fail('not UTF-8')
    this.at += 1 + more
  }
}

const inNumber = new Uint8Array(256)
for (const character of '+-.0123456789e') inNumber[character.charCodeAt(0)] = 1
/** `"`, `\`, and b, f, n, r, t. */
const shortEscapes = new Set([0x22, 0x5c, 0x62, 0x66, 0x6e, 0x72, 0x74])

const textOf = (data: Uint8Array, start: number, end: number): string =>
  Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('utf8')

/**
 * Reads one object that fills `data` from `start` to `end`.
 *
 * @throws {NotCanonical}
 */
export function readCanonicalObject(data: Uint8Array, start: number, end: number): Members {
  const reader = new Reader(data, start, end)
  const members = new Map<string, readonly [number, number]>()
  reader.object(0, members)
  if (reader.at !== end) reader.fail('something behind the object')
  return members
}
