import test from 'ava'
import fc from 'fast-check'
import { formatAddress, parseAddress } from './address.ts'
import { parseContacts } from './contact.ts'
import { formatCSeq, formatRAck, parseCSeq, parseRAck } from './cseq.ts'
import { formatAuthScheme, parseAuthSchemes } from './digest.ts'
import { formatEvent, formatSubscriptionState, parseEvent, parseSubscriptionState } from './event.ts'
import { formatMediaType, parseMediaType } from './media-type.ts'
import { allHeaders, parseMessage, type SipResponse, withHeaderValue } from './message.ts'
import { headerKey } from './names.ts'
import { formatReason, parseReasons } from './reason.ts'
import { encodeResponse } from './serialize.ts'
import { formatTelUri, parseTelUri } from './tel-uri.ts'
import { formatParameters, parseParameters, quoted, splitList, unquoted } from './text.ts'
import { escapedUser, formatSipUri, parseSipUri, type SipUri, unescaped } from './uri.ts'
import { sameSipUri } from './uri-comparison.ts'
import { formatVia, markReceived, parseVia, type Via } from './via.ts'

/** decode(encode(x)) is x, for every codec of a header value. */

const token = fc.stringMatching(/^[A-Za-z0-9\-.!%*_+`'~]{1,12}$/)
const lowerToken = fc.stringMatching(/^[a-z0-9\-.!%*_+`'~]{1,12}$/)
const printable = fc.stringMatching(/^[\x20-\x7e\xa0-\xff]{0,20}$/)
const quotedText = printable.map(quoted)
const parameters = fc
  .uniqueArray(fc.tuple(lowerToken, fc.oneof(fc.constant(null), token, quotedText)), { maxLength: 5, selector: ([name]) => name })
  .map((entries) => new Map<string, string | null>(entries))
const host = fc.oneof(
  fc.constantFrom('example.com', 'a', '192.0.2.1', '2001:db8::1', '::', '::ffff:192.0.2.2'),
  fc.stringMatching(/^[a-z][a-z0-9]{0,10}(?:\.[a-z][a-z0-9]{0,5}){0,3}$/)
)
const port = fc.option(fc.integer({ min: 0, max: 65_535 }))
const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((octet) => String.fromCharCode(octet)),
  minLength: 1,
  maxLength: 12
})
const uriParameters = fc
  .uniqueArray(fc.tuple(lowerToken, fc.option(token)), { maxLength: 4, selector: ([name]) => name })
  .map((entries) => new Map<string, string | null>(entries))
const sipUri: fc.Arbitrary<SipUri> = fc.record({
  scheme: fc.constantFrom('sip', 'sips'),
  user: fc.option(latin1.map(escapedUser)),
  host,
  port,
  params: uriParameters,
  headers: fc.option(fc.stringMatching(/^[a-z]{1,5}=[A-Za-z0-9%]{0,5}$/))
})

function roundTrip<T>(
  t: import('ava').ExecutionContext,
  values: fc.Arbitrary<T>,
  format: (value: T) => string,
  parse: (text: string) => unknown
): void {
  fc.assert(
    fc.property(values, (value) => {
      t.deepEqual(parse(format(value)), value)
    }),
    { numRuns: 150 }
  )
}

test('quoted strings and escaped users', (t) => {
  roundTrip(t, printable, quoted, unquoted)
  roundTrip(t, latin1, escapedUser, unescaped)
})

test('parameters', (t) => roundTrip(t, parameters, formatParameters, parseParameters))

test('SIP URIs, equivalent to themselves in any case of what has none', (t) => {
  roundTrip(t, sipUri, formatSipUri, parseSipUri)
  fc.assert(
    fc.property(sipUri, (uri) => {
      const text = formatSipUri(uri)
      const [front, back] = uri.user === null ? ['', text] : [text.slice(0, text.indexOf('@')), text.slice(text.indexOf('@'))]
      const question = back.indexOf('?')
      const shouted = front + (question < 0 ? back.toUpperCase() : back.slice(0, question).toUpperCase() + back.slice(question))
      t.true(sameSipUri(parseSipUri(shouted)!, uri), text)
    }),
    { numRuns: 150 }
  )
})

test('tel URIs', (t) => {
  const number = fc.stringMatching(/^\d[\d.-]{0,10}$/)
  roundTrip(
    t,
    fc.oneof(
      number.map((digits) => ({ number: `+${digits}`, global: true, params: new Map<string, string | null>([['ext', '1-2']]) })),
      number.map((digits) => ({
        number: digits,
        global: false,
        params: new Map<string, string | null>([['phone-context', 'a.example']])
      }))
    ),
    formatTelUri,
    parseTelUri
  )
})

const address = fc.record({
  display: fc.option(fc.oneof(quotedText, token)),
  uri: fc.oneof(sipUri.map(formatSipUri), fc.constantFrom('tel:+1', 'urn:service:sos')),
  params: parameters
})

test('addresses, alone and in lists', (t) => {
  roundTrip(t, address, formatAddress, parseAddress)
  roundTrip(
    t,
    fc.array(address.map(formatAddress), { minLength: 1, maxLength: 5 }),
    (list) => list.join(' , '),
    (text) => splitList(text)
  )
})

test('Contacts', (t) => {
  const contact = fc
    .record({ address, q: fc.option(fc.integer({ min: 0, max: 1000 })), expiresS: fc.option(fc.nat()) })
    .map(({ address, q, expiresS }) => {
      const params = new Map([...address.params].filter(([name]) => name !== 'q' && name !== 'expires'))
      if (q !== null) params.set('q', (q / 1000).toFixed(3))
      if (expiresS !== null) params.set('expires', String(expiresS))
      return { ...address, params, q, expiresS }
    })
  roundTrip(
    t,
    fc.array(contact, { minLength: 1, maxLength: 4 }),
    (list) => list.map(formatAddress).join(','),
    (text) => parseContacts([text])
  )
})

test('Via, and what marking it leaves alone', (t) => {
  const via: fc.Arbitrary<Via> = fc.record({
    transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'WS', 'WSS', 'SCTP', 'X-1'),
    host,
    port,
    params: parameters
  })
  roundTrip(t, via, formatVia, parseVia)
  fc.assert(
    fc.property(via, fc.boolean(), fc.boolean(), (plain, rport, received) => {
      const params = new Map(plain.params)
      if (rport) params.set('rport', null)
      if (received) params.set('received', '198.51.100.7')
      const marked = parseVia(markReceived(formatVia({ ...plain, params }), { ...plain, params }, '192.0.2.77', 4711))!
      t.deepEqual([marked.params.get('rport'), marked.params.get('received')], ['4711', '192.0.2.77'])
      t.deepEqual(
        [...marked.params].filter(([name]) => name !== 'rport' && name !== 'received'),
        [...plain.params].filter(([name]) => name !== 'rport' && name !== 'received')
      )
    }),
    { numRuns: 150 }
  )
})

test('CSeq and RAck', (t) => {
  const cseq = fc.record({ number: fc.nat(), method: token })
  roundTrip(t, cseq, formatCSeq, parseCSeq)
  roundTrip(t, fc.record({ rseq: fc.nat({ max: 0xffff_ffff }), cseq }), formatRAck, parseRAck)
})

test('challenges and credentials', (t) => {
  const scheme = fc.record({
    scheme: token.filter((text) => !text.includes('=')),
    params: fc
      .uniqueArray(fc.tuple(lowerToken, printable), { minLength: 1, maxLength: 6, selector: ([name]) => name })
      .map((entries) => new Map(entries)),
    token: fc.constant(null)
  })
  for (const as of ['challenge', 'credentials'] as const) {
    roundTrip(
      t,
      fc.array(scheme, { minLength: 1, maxLength: 4 }),
      (list) => list.map((each) => formatAuthScheme(each, as)).join(', '),
      parseAuthSchemes
    )
  }
})

test('media types, Event, Subscription-State, Reason', (t) => {
  roundTrip(t, fc.record({ type: lowerToken, subtype: lowerToken, params: parameters }), formatMediaType, parseMediaType)
  const packageName = fc.stringMatching(/^[a-z]{1,8}(?:\.[a-z]{1,8}){0,2}$/)
  roundTrip(t, fc.record({ type: packageName, params: parameters }), formatEvent, parseEvent)
  const texts = fc.oneof(
    fc.constantFrom('active', 'pending;expires=0', 'terminated;reason=timeout;retry-after=30'),
    lowerToken.map((state) => `${state};expires=600;x`)
  )
  roundTrip(
    t,
    texts,
    (text) => text,
    (text) => formatSubscriptionState(parseSubscriptionState(text)!)
  )
  roundTrip(
    t,
    fc.array(
      fc.tuple(token, fc.option(fc.integer({ min: 0, max: 999_999 })), fc.option(printable)).map(([protocol, cause, text]) => {
        const params = new Map<string, string | null>()
        if (cause !== null) params.set('cause', String(cause))
        if (text !== null) params.set('text', quoted(text))
        return { protocol, cause, text, params }
      }),
      { minLength: 1, maxLength: 4 }
    ),
    (list) => list.map(formatReason).join(', '),
    parseReasons
  )
})

test('responses, and a replaced value', (t) => {
  const value = fc.stringMatching(/^[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]{0,30}[\x21-\x7e\x80-\xff])?$/)
  const names = token.filter((name) => headerKey(name) !== 'content-length')
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 699 }),
      value,
      fc.array(fc.tuple(names, value), { minLength: 1, maxLength: 8 }),
      fc.uint8Array({ maxLength: 60 }),
      value,
      (status, reason, headers, octets, replacement) => {
        const body = Buffer.from(octets)
        const message = parseMessage(encodeResponse({ status, reason, headers, body })) as SipResponse
        t.deepEqual([message.status, message.reason, message.defect], [status, reason, null])
        t.deepEqual(Buffer.from(message.body), body)
        const key = headerKey(headers[0]![0])!
        const replaced = parseMessage(withHeaderValue(message, key, replacement))
        const before = allHeaders(message)
        const first = before.findIndex((each) => each.key === key)
        t.deepEqual(
          allHeaders(replaced),
          before.map((each, index) => (index === first ? { ...each, value: replacement } : each))
        )
        t.deepEqual(Buffer.from(replaced.body), body)
      }
    ),
    { numRuns: 150 }
  )
})
