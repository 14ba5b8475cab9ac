import test from 'ava'
import fc from 'fast-check'
import type { TransportName } from '../transport/port.ts'
import { type NextHop, noRecords, orderServers, type Records, resolution, type SrvRecord } from './resolution.ts'

type Zone = Readonly<Record<string, Partial<Records>>>

const all: readonly TransportName[] = ['udp', 'tcp', 'tls']
const hop = (change: Partial<NextHop> = {}): NextHop => ({
  secure: false,
  transport: null,
  host: 'example.com',
  port: null,
  ...change
})

/** Questions asked and destinations found, as `udp 192.0.2.1:5060`. */
function run(from: NextHop, zone: Zone, transports = all, random = () => 0): { asked: string[]; found: string[] } {
  const asked: string[] = []
  const steps = resolution(from, { transports, random })
  let step = steps.next(noRecords)
  while (!step.done) {
    const question = `${step.value.type} ${step.value.name}`
    asked.push(question)
    step = steps.next({ ...noRecords, ...zone[question] })
  }
  return { asked, found: step.value.map(({ transport, address, port }) => `${transport} ${address}:${port}`) }
}

const naptr = (order: number, preference: number, service: string, replacement: string, flags = 's') => ({
  order,
  preference,
  flags,
  service,
  replacement
})
const srv = (priority: number, weight: number, port: number, name: string): SrvRecord => ({ priority, weight, port, name })
const host = (...addresses: string[]) => ({ addresses })

test('an address is asked of nobody; transport and port by RFC 3263 §4.1 and §4.2', (t) => {
  const cases: [Partial<NextHop>, string][] = [
    [{}, 'udp 192.0.2.1:5060'],
    [{ port: 5070 }, 'udp 192.0.2.1:5070'],
    [{ transport: 'tcp' }, 'tcp 192.0.2.1:5060'],
    [{ transport: 'tls', secure: true }, 'tls 192.0.2.1:5061'],
    [{ secure: true }, 'tls 192.0.2.1:5061'],
    [{ transport: 'ws' }, 'ws 192.0.2.1:80'],
    [{ transport: 'wss', secure: true }, 'wss 192.0.2.1:443']
  ]
  for (const [change, expected] of cases) {
    t.deepEqual(run(hop({ host: '192.0.2.1', ...change }), {}), { asked: [], found: [expected] })
  }
  t.deepEqual(run(hop({ host: '2001:db8::1' }), {}).found, ['udp 2001:db8::1:5060'])
  t.deepEqual(run(hop({ host: '192.0.2.1' }), {}, ['tcp']).found, ['tcp 192.0.2.1:5060'])
  t.deepEqual(run(hop({ host: '192.0.2.1', secure: true }), {}, ['udp', 'tcp']).found, [])
})

test('a name with a port is a host', (t) => {
  t.deepEqual(run(hop({ port: 5070 }), { 'ADDRESS example.com': host('192.0.2.1', '192.0.2.2') }), {
    asked: ['ADDRESS example.com'],
    found: ['udp 192.0.2.1:5070', 'udp 192.0.2.2:5070']
  })
})

test('a transport and no port: SRV, then the host itself', (t) => {
  const zone: Zone = {
    'SRV _sip._tcp.example.com': { srv: [srv(10, 0, 5066, 'b.example.com'), srv(0, 0, 5065, 'a.example.com')] },
    'ADDRESS a.example.com': host('192.0.2.1'),
    'ADDRESS b.example.com': host('192.0.2.2', '2001:db8::2')
  }
  t.deepEqual(run(hop({ transport: 'tcp' }), zone).found, ['tcp 192.0.2.1:5065', 'tcp 192.0.2.2:5066', 'tcp 2001:db8::2:5066'])
  t.deepEqual(run(hop({ transport: 'tls', secure: true }), { 'ADDRESS example.com': host('192.0.2.9') }), {
    asked: ['SRV _sips._tcp.example.com', 'ADDRESS example.com'],
    found: ['tls 192.0.2.9:5061']
  })
})

test('neither: NAPTR chooses the transport among ours, by order and preference', (t) => {
  const zone: Zone = {
    'NAPTR example.com': {
      naptr: [
        naptr(60, 50, 'SIP+D2U', '_sip._udp.example.com'),
        naptr(50, 60, 'SIP+D2T', '_sip._tcp.example.com'),
        naptr(50, 50, 'SIPS+D2T', '_sips._tcp.example.com'),
        naptr(10, 10, 'SIP+D2S', '_sip._sctp.example.com'),
        naptr(10, 10, 'SIP+D2U', 'a.example.com', 'a'),
        naptr(10, 10, 'SIP+D2U', '.')
      ]
    },
    'SRV _sip._udp.example.com': { srv: [srv(0, 0, 5060, 'u.example.com')] },
    'SRV _sip._tcp.example.com': { srv: [srv(0, 0, 5062, 't.example.com')] },
    'SRV _sips._tcp.example.com': { srv: [srv(0, 0, 5063, 's.example.com')] },
    'ADDRESS u.example.com': host('192.0.2.1'),
    'ADDRESS t.example.com': host('192.0.2.2'),
    'ADDRESS s.example.com': host('192.0.2.3')
  }
  t.deepEqual(run(hop(), zone).found, ['tls 192.0.2.3:5063', 'tcp 192.0.2.2:5062'])
  t.deepEqual(run(hop(), zone, ['udp']).found, ['udp 192.0.2.1:5060'])
  t.deepEqual(run(hop({ secure: true }), zone).found, ['tls 192.0.2.3:5063'])
})

test('no NAPTR: SRV of every transport we have; no SRV: the host', (t) => {
  const zone: Zone = {
    'SRV _sip._tcp.example.com': { srv: [srv(0, 0, 5062, 't.example.com')] },
    'ADDRESS t.example.com': host('192.0.2.2')
  }
  t.deepEqual(run(hop(), zone), {
    asked: [
      'NAPTR example.com',
      'SRV _sip._udp.example.com',
      'SRV _sip._tcp.example.com',
      'ADDRESS t.example.com',
      'SRV _sips._tcp.example.com'
    ],
    found: ['tcp 192.0.2.2:5062']
  })
  t.deepEqual(run(hop(), { 'ADDRESS example.com': host('192.0.2.9') }).found, ['udp 192.0.2.9:5060'])
  t.deepEqual(run(hop(), {}).found, [])
})

test('a domain that says it has no such service is believed', (t) => {
  const zone: Zone = { 'SRV _sip._tcp.example.com': { srv: [srv(0, 0, 0, '.')] }, 'ADDRESS example.com': host('192.0.2.9') }
  t.deepEqual(run(hop({ transport: 'tcp' }), zone).found, [])
})

test('the bounds hold whatever a zone says', (t) => {
  const many = Array.from({ length: 60 }, (_, index) => srv(index, 0, 5060, `h${index}.example.com`))
  const zone: Zone = {
    'NAPTR example.com': { naptr: many.map((_, index) => naptr(0, index, 'SIP+D2U', `s${index}.example.com`)) },
    ...Object.fromEntries(many.map((_, index) => [`SRV s${index}.example.com`, { srv: many }])),
    ...Object.fromEntries(many.map((_, index) => [`ADDRESS h${index}.example.com`, host(...Array(60).fill('192.0.2.1'))]))
  }
  const { asked, found } = run(hop(), zone)
  t.true(asked.length <= 40)
  t.is(found.length, 16)
})

test('SRV: priorities in order, weights as shares (RFC 2782)', (t) => {
  const records = [srv(20, 0, 3, 'c'), srv(10, 60, 1, 'a'), srv(10, 40, 2, 'b'), srv(10, 0, 4, 'zero')]
  t.deepEqual(
    orderServers(records, () => 0).map(({ name }) => name),
    ['zero', 'a', 'b', 'c']
  )
  t.deepEqual(
    orderServers(records, () => 0.7).map(({ name }) => name),
    ['b', 'a', 'zero', 'c']
  )
  let seed = 1
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647
    return seed / 2_147_483_647
  }
  const first = Array.from({ length: 10_000 }, () => orderServers(records, random)[0]!.name)
  const share = (name: string) => first.filter((each) => each === name).length / first.length
  t.true(Math.abs(share('a') - 0.6) < 0.03 && Math.abs(share('b') - 0.4) < 0.03, `${share('a')} ${share('b')}`)
  t.true(share('zero') < 0.02)
  fc.assert(
    fc.property(
      fc.array(fc.record({ priority: fc.nat(3), weight: fc.nat(65_535), port: fc.nat(65_535), name: fc.string() })),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (servers, drawn) => {
        const ordered = orderServers(servers, () => drawn)
        t.is(new Set(ordered).size, servers.length)
        for (let at = 1; at < ordered.length; at++) t.true(ordered[at - 1]!.priority <= ordered[at]!.priority)
      }
    ),
    { numRuns: 200 }
  )
})
