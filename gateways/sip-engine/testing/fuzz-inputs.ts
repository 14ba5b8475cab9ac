/** Inputs for fuzzing, each determined by its seed alone: damaged messages, and messages made from the grammar. */
import { tortureMessages } from './torture.ts'

export interface Random {
  /** An integer from 0 to below `bound`. */
  readonly below: (bound: number) => number
  readonly pick: <T>(choices: readonly T[]) => T
}

/** A small generator of even quality over 32 bits (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed | 0
  const below = (bound: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
  return { below, pick: (choices) => choices[below(choices.length)]! }
}

/** Seed of one input: neighbours share nothing. */
export function inputSeed(seed: number, index: number): number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35)
  mixed ^= mixed >>> 16
  return Math.imul(mixed, 0x27d4eb2f) ^ (mixed >>> 13)
}

/** What tends to break parsers. */
const pieces: readonly Buffer[] = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  '\r\n ',
  '\r\n\t',
  ' ',
  '\t',
  ';',
  ',',
  ':',
  '"',
  '\\',
  '\\"',
  '<',
  '>',
  '<>',
  '@',
  '=',
  '?',
  '&',
  '%',
  '%00',
  '%zz',
  '[',
  ']',
  '[::1]',
  ':::',
  '*',
  '|',
  '#',
  '\0',
  '\x7f',
  '\xff\xfe',
  '\xef\xbb\xbf',
  '9'.repeat(30),
  '-1',
  '0',
  '4294967296',
  'SIP/2.0',
  'SIP/2.0 200 OK\r\n',
  'INVITE sip:a@b SIP/2.0\r\n',
  'Via: SIP/2.0/UDP ',
  'Content-Length: ',
  'l:',
  'Content-Type: multipart/mixed;boundary=x\r\n',
  '--x\r\n',
  '--x--',
  ';tag=',
  ';branch=z9hG4bK',
  ';received=',
  ';rport',
  ';q=1.0',
  ';expires=',
  'Digest realm="',
  'sips:',
  'tel:+1-2',
  ';phone-context=',
  '__proto__',
  'constructor: x\r\n'
].map((text) => Buffer.from(text, 'latin1'))

const maxInput = 24_000

/** `original` with one to eight changes: octets replaced, runs cut out, doubled, repeated, moved, or taken from `other`. */
export function damaged(random: Random, original: Buffer, other: Buffer): Buffer {
  let octets = original
  const changes = 1 + random.below(8)
  for (let change = 0; change < changes; change++) {
    const at = random.below(octets.length + 1)
    const run = octets.subarray(at, at + 1 + random.below(random.below(4) === 0 ? 400 : 24))
    const rest = octets.subarray(at + run.length)
    const before = octets.subarray(0, at)
    switch (random.below(8)) {
      case 0:
        octets = Buffer.from(octets)
        if (at < octets.length) octets[at] = random.below(256)
        break
      case 1:
        octets = Buffer.concat([before, rest])
        break
      case 2:
        octets = Buffer.concat([before, run, run, rest])
        break
      case 3: {
        const piece = random.pick(pieces)
        const many = random.below(16) === 0 ? Math.ceil(maxInput / piece.length) : 8
        const repeated = Buffer.alloc(piece.length * (1 + random.below(many)), piece)
        octets = Buffer.concat([before, repeated, octets.subarray(at)])
        break
      }
      case 4:
        octets = Buffer.concat([before, random.pick(pieces), rest])
        break
      case 5: {
        const from = random.below(other.length)
        octets = Buffer.concat([before, other.subarray(from, from + 1 + random.below(200)), rest])
        break
      }
      case 6:
        octets = random.below(4) === 0 ? before : Buffer.concat([rest, before])
        break
      default:
        octets = Buffer.concat([before, random.pick(pieces), octets.subarray(at)])
    }
    if (octets.length > maxInput) octets = octets.subarray(0, maxInput)
  }
  return octets
}

const tokens = [
  'a',
  'tag',
  'branch',
  'Z9',
  'q',
  'lr',
  'x-1',
  'transport',
  "o'",
  '*',
  '%',
  'expires',
  'received',
  'active',
  'SIP',
  'Digest'
]
const texts = ['', ' ', 'x y', 'a,b', 'a;b=c', '<sip:a>', 'é', '\\"', '\\\\', '@']
const hosts = ['example.com', '192.0.2.1', '[2001:db8::1]', '[::ffff:192.0.2.2]', 'a', 'x-y.z.', '[::', '1..2', '']
const headerNames = [
  'Via',
  'v',
  'From',
  'f',
  'To',
  't',
  'Call-ID',
  'i',
  'CSeq',
  'Contact',
  'm',
  'Route',
  'Record-Route',
  'Max-Forwards',
  'Expires',
  'Content-Type',
  'Content-Length',
  'WWW-Authenticate',
  'Authorization',
  'Event',
  'Subscription-State',
  'Reason',
  'RAck',
  'RSeq',
  'Require',
  'X-Odd'
]

function text(random: Random): string {
  return random.below(3) === 0 ? `"${random.pick(texts)}"` : random.pick(tokens)
}

function parameters(random: Random): string {
  let out = ''
  for (let count = random.below(4); count > 0; count--) {
    out += `${random.pick([';', ' ;', '; '])}${random.pick(tokens)}${random.below(3) === 0 ? '' : `${random.pick(['=', ' = '])}${text(random)}`}`
  }
  return out
}

function uri(random: Random): string {
  if (random.below(6) === 0)
    return `tel:${random.pick(['+1-201-555', '7042', '*#', '+'])}${random.pick(['', ';phone-context=a.b', ';ext=1'])}`
  const user = random.below(3) === 0 ? '' : `${random.pick(['alice', 'a;b', 'a:pw', '%41%', ''])}@`
  const port = random.pick(['', '', ':5060', ':0', ':99999'])
  return `${random.pick(['sip', 'sips', 'SIP', 'x'])}:${user}${random.pick(hosts)}${port}${parameters(random)}${random.pick(['', '', '?a=b&c=d'])}`
}

function address(random: Random): string {
  if (random.below(3) === 0) return `${uri(random)}${parameters(random)}`
  return `${random.pick(['', '"A" ', 'A B ', '"', 'A, B '])}<${uri(random)}>${parameters(random)}`
}

function value(random: Random, name: string): string {
  switch (name) {
    case 'Via':
    case 'v':
      return `SIP/2.0/${random.pick(['UDP', 'TCP', 'x', ''])} ${random.pick(hosts)}${random.pick(['', ':5060', ' : 1'])}${parameters(random)}`
    case 'From':
    case 'f':
    case 'To':
    case 't':
      return address(random)
    case 'Contact':
    case 'm':
    case 'Route':
    case 'Record-Route':
      return random.below(8) === 0
        ? '*'
        : Array.from({ length: 1 + random.below(3) }, () => address(random)).join(random.pick([',', ' , ']))
    case 'CSeq':
      return `${random.pick(['1', '0009', '2147483648', '-1', ''])} ${random.pick(['INVITE', 'BYE', '', 'x y'])}`
    case 'WWW-Authenticate':
    case 'Authorization':
      return `Digest ${Array.from({ length: random.below(5) }, () => `${random.pick(['realm', 'nonce', 'qop', 'x'])}=${text(random)}`).join(', ')}`
    case 'Content-Type':
      return `${random.pick(['application/sdp', 'multipart/mixed', 'x'])}${random.pick(['', ';boundary=x', ';boundary="x y"'])}${parameters(random)}`
    default:
      return `${random.pick(['', '0', '70', '4294967295', text(random)])}${parameters(random)}`
  }
}

const bodies = ['', 'v=0\r\n', '--x\r\n\r\na\r\n--x--', '--x\r\nA: b\r\n\r\n--x\r\n\r\n\r\n--x--\r\n', '\0\r\n\r\n']

const onlyOnce = new Set([
  'From',
  'f',
  'To',
  't',
  'Call-ID',
  'i',
  'CSeq',
  'Max-Forwards',
  'Expires',
  'Content-Type',
  'Content-Length'
])
const repeatable = headerNames.filter((name) => !onlyOnce.has(name))
const methods = ['INVITE', 'REGISTER', 'SUBSCRIBE', 'NOTIFY', 'MESSAGE', 'A']
const soundUris = [
  'sip:a@h',
  'sips:b:pw@[2001:db8::1]:5061;lr',
  'tel:+1-201-555-0123',
  'urn:service:sos',
  'sip:%41;x=1@h;transport=tcp'
]

/** A message of header fields drawn from the grammar and its edges. Three of four have what every message must have, once and in order. */
function composed(random: Random): Buffer {
  const sound = random.below(4) > 0
  const method = random.pick(methods)
  const body = random.pick(bodies)
  const status = `SIP/2.0 ${random.pick(['100', '200', '999', '486'])} ${text(random)}`
  const lines = [random.below(4) === 0 ? status : `${method} ${sound ? random.pick(soundUris) : uri(random)} SIP/2.0`]
  if (sound) {
    lines.push(
      `Via: SIP/2.0/UDP h;branch=z9hG4bK1${parameters(random)}`,
      `From: ${random.pick(['<sip:a@b>', '"A \\" B" <sips:a@[::1]>', 'tel:+1'])};tag=${random.pick(tokens)}`,
      'To: <sip:c@d>',
      `Call-ID: ${random.below(1000)}`,
      `CSeq: ${random.below(1000)} ${method}`,
      `l: ${body.length}`
    )
  }
  for (let count = random.below(12); count > 0; count--) {
    const name = random.pick(sound ? repeatable : headerNames)
    lines.push(`${name}${random.pick([':', ': ', ' : ', ':\r\n '])}${value(random, name)}`)
  }
  if (sound && random.below(2) === 0) lines.push(`Content-Type: ${value(random, 'Content-Type')}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1')
}

const corpus: readonly Buffer[] = tortureMessages.map(({ bytes }) => bytes)

/** A message off the wire of a hostile network: two of three damaged, the others composed. */
export function hostileMessage(random: Random): Buffer {
  const kind = random.below(6)
  if (kind === 0) return composed(random)
  if (kind === 1) return damaged(random, composed(random), random.pick(corpus))
  return damaged(random, random.pick(corpus), random.pick(corpus))
}
