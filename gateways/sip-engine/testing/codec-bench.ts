/**
 * How many messages a second the codec reads and writes on one core, beside drachtio-srf's own parser in the same process.
 *
 *     node gateways/sip-engine/testing/codec-bench.ts [--json]
 */
import { createRequire } from 'node:module'
import { allHeaders, parseMessage, type SipMessage } from '../codec/message.ts'
import { requestInsanity } from '../codec/sanity.ts'
import { encodeRequest, type HeaderLine } from '../codec/serialize.ts'

export interface CodecBench {
  /** Messages read per second: start line, header table, body bounds. */
  readonly parseMps: number
  /** The same with everything checked and read that the engine needs before it acts. */
  readonly checkedMps: number
  /** Messages written per second from their header lines. */
  readonly serializeMps: number
  /** Messages drachtio-srf's parser reads per second, which splits and keeps every header. */
  readonly srfParseMps: number
  readonly octets: number
}

const sdp = [
  'v=0',
  'o=alice 2890844526 2890844526 IN IP4 192.0.2.101',
  's=-',
  'c=IN IP4 192.0.2.101',
  't=0 0',
  'm=audio 49172 RTP/AVP 0 8 9 101',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:8 PCMA/8000',
  'a=rtpmap:9 G722/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-15',
  'a=rtcp:49173',
  'a=ptime:20',
  'a=sendrecv',
  ''
].join('\r\n')

/** An INVITE with SDP of 13 header fields and 834 octets. */
const typicalInvite: Buffer = Buffer.from(
  [
    'INVITE sip:bob@biloxi.example.com SIP/2.0',
    'Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9',
    'Max-Forwards: 70',
    'From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl',
    'To: Bob <sip:bob@biloxi.example.com>',
    'Call-ID: 3848276298220188511@atlanta.example.com',
    'CSeq: 1 INVITE',
    'Contact: <sip:alice@client.atlanta.example.com;transport=udp>',
    'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE',
    'Supported: 100rel, timer, replaces',
    'User-Agent: Example Desk Telephone 10.20.10',
    'Content-Type: application/sdp',
    `Content-Length: ${sdp.length}`,
    '',
    sdp
  ].join('\r\n'),
  'latin1'
)

const rounds = 5

/** Best of some rounds, by processor time: other work on the machine only makes a round slower. */
function perSecond(messages: number, one: () => unknown): number {
  for (let index = 0; index < messages / 5; index++) one()
  let best = 0
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    for (let index = 0; index < messages; index++) one()
    const { user, system } = process.cpuUsage(before)
    best = Math.max(best, (messages * 1e6) / (user + system))
  }
  return best
}

export function benchCodec(messages = 100_000): CodecBench {
  const parser = createRequire(import.meta.url)('drachtio-srf/lib/sip-parser/parser.js') as {
    parseSipMessage: (text: string, isRequest: boolean) => unknown
  }
  const text = typicalInvite.toString('latin1')
  const message = parseMessage(typicalInvite)
  const headers = allHeaders(message)
    .filter(({ key }) => key !== 'content-length')
    .map(({ name, value }): HeaderLine => [name, value])
  const outgoing = { method: 'INVITE', uri: 'sip:bob@biloxi.example.com', headers, body: message.body }
  const checked = (read: SipMessage): unknown => (read.kind === 'request' ? requestInsanity(read) : undefined)
  return {
    octets: typicalInvite.length,
    parseMps: perSecond(messages, () => parseMessage(typicalInvite)),
    checkedMps: perSecond(messages, () => checked(parseMessage(typicalInvite))),
    serializeMps: perSecond(messages, () => encodeRequest(outgoing)),
    srfParseMps: perSecond(messages / 5, () => parser.parseSipMessage(text, true))
  }
}

if (import.meta.main) {
  const { octets, parseMps, checkedMps, serializeMps, srfParseMps } = benchCodec()
  const what = `INVITE with SDP, ${octets} octets, one core`
  const figures = [
    { metric: 'sip.parse_mps', value: Math.round(parseMps), unit: '1/s', note: what },
    {
      metric: 'sip.parse_checked_mps',
      value: Math.round(checkedMps),
      unit: '1/s',
      note: `${what}, checked and common headers read`
    },
    { metric: 'sip.serialize_mps', value: Math.round(serializeMps), unit: '1/s', note: what },
    {
      metric: 'sip.parse_ratio',
      value: Math.round((parseMps / srfParseMps) * 100) / 100,
      unit: '',
      note: `to the parser of drachtio-srf, ${Math.round(srfParseMps)} a second in the same run`
    }
  ]
  if (process.argv.includes('--json')) for (const figure of figures) console.log(JSON.stringify(figure))
  else for (const { metric, value, note } of figures) console.log(`${metric.padEnd(24)} ${String(value).padStart(10)}  ${note}`)
}
