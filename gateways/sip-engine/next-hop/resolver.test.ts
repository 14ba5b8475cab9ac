import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { manualClock, systemClock } from '#kernel'
import { startDnsServer, type TestZone } from '../testing/dns-server.ts'
import { createNames } from '../testing/names.ts'
import type { Destination, Listener } from '../transport/port.ts'
import { createHosts, parseHosts } from './hosts-file.ts'
import { createNameService, type NameService, nameServiceProblems } from './name-service.ts'
import { createResolver, defaultResolverLimits, nextHopOf, type ResolverParts } from './resolver.ts'

const listeners: Listener[] = [
  { transport: 'udp', address: '192.0.2.100', port: 5060 },
  { transport: 'tcp', address: '192.0.2.100', port: 5060 }
]
const none = () => undefined

function setUp(names: NameService, change: Partial<ResolverParts> = {}) {
  const clock = manualClock()
  const resolver = createResolver({ clock, names, hosts: none, listeners: () => listeners, random: () => 0, ...change })
  const resolve = (uri: string): string[] | undefined => {
    let found: string[] | undefined
    const hop = nextHopOf(uri)
    if (hop === undefined || hop === 'unsupported') throw new TypeError(uri)
    resolver.resolve(hop, (destinations) => {
      found = destinations.map(({ transport, address, port, name }) => `${transport} ${address}:${port} ${name ?? ''}`.trim())
    })
    return found
  }
  return { clock, resolver, resolve }
}

test('next hops of URIs and of host and port', (t) => {
  const hop = (secure: boolean, transport: string | null, host: string, port: number | null) => ({
    secure,
    transport,
    host,
    port
  })
  const cases: [string, unknown][] = [
    ['sip:bob@Example.com', hop(false, null, 'example.com', null)],
    ['sip:bob@example.com:5070;transport=TCP', hop(false, 'tcp', 'example.com', 5070)],
    ['sips:bob@example.com', hop(true, null, 'example.com', null)],
    ['sips:bob@example.com;transport=tcp', hop(true, 'tls', 'example.com', null)],
    ['sips:bob@example.com;transport=ws', hop(true, 'wss', 'example.com', null)],
    ['sip:bob@example.com;transport=tls', hop(true, 'tls', 'example.com', null)],
    ['sip:bob@[2001:db8::1]:5070', hop(false, null, '2001:db8::1', 5070)],
    ['sip:bob@example.com;maddr=192.0.2.7', hop(false, null, '192.0.2.7', null)],
    ['sip:bob@example.com;maddr=[2001:db8::7]', hop(false, null, '2001:db8::7', null)],
    ['192.0.2.1:5080', hop(false, null, '192.0.2.1', 5080)],
    ['example.com;transport=tcp', hop(false, 'tcp', 'example.com', null)],
    ['sips:bob@example.com;transport=udp', 'unsupported'],
    ['sip:bob@example.com;transport=sctp', 'unsupported'],
    ['sip:bob@', undefined],
    ['tel:+1', undefined]
  ]
  for (const [uri, expected] of cases) t.deepEqual(nextHopOf(uri) as unknown, expected, uri)
})

test('addresses and names of the hosts file ask nobody', (t) => {
  const names = createNames()
  const { resolve } = setUp(names, { hosts: (name) => (name === 'pbx' ? ['2001:db8::1', '192.0.2.5'] : undefined) })
  t.deepEqual(resolve('sip:a@192.0.2.1'), ['udp 192.0.2.1:5060'])
  t.deepEqual(resolve('sip:a@pbx'), ['udp 192.0.2.5:5060 pbx'])
  t.deepEqual(resolve('sip:a@pbx:5080;transport=tcp'), ['tcp 192.0.2.5:5080 pbx'])
  t.deepEqual(names.asked, [])
})

test('addresses of families without a listener are left out; the family of the first listener comes first', (t) => {
  const names = createNames({ 'ADDRESS a.example': { addresses: ['192.0.2.1', '2001:db8::1', '192.0.2.2'] } })
  const six: Listener = { transport: 'udp', address: '2001:db8::100', port: 5060 }
  const addresses = (ours: Listener[]) =>
    setUp(names, { listeners: () => ours })
      .resolve('sip:a.example:5060')
      ?.map((found) => found.split(' ')[1])
  t.deepEqual(addresses([six]), ['2001:db8::1:5060'])
  t.deepEqual(addresses([six, ...listeners]), ['2001:db8::1:5060', '192.0.2.1:5060', '192.0.2.2:5060'])
  t.deepEqual(addresses([...listeners, six]), ['192.0.2.1:5060', '192.0.2.2:5060', '2001:db8::1:5060'])
})

test('answers are kept for their TTL within bounds, absence for a shorter time', (t) => {
  const names = createNames({ 'ADDRESS a.example': { addresses: ['192.0.2.1'] }, 'ADDRESS c.example': 'silent' }, 100_000)
  const { clock, resolve } = setUp(names)
  const asked = (name: string): number => names.asked.filter((question) => question.endsWith(name)).length
  for (const [name, keptS] of [
    ['a.example', defaultResolverLimits.mostTtlS],
    ['b.example', defaultResolverLimits.absentTtlS],
    ['c.example', defaultResolverLimits.absentTtlS]
  ] as const) {
    for (let count = 0; count < 3; count++) resolve(`sip:${name}:5060`)
    t.is(asked(name), 1, name)
    clock.advance(keptS * 1000 - 1)
    resolve(`sip:${name}:5060`)
    t.is(asked(name), 1, name)
    clock.advance(1)
    resolve(`sip:${name}:5060`)
    t.is(asked(name), 2, name)
  }
})

test('what is kept is bounded', (t) => {
  const names = createNames({}, 60)
  const { resolve } = setUp(names, { limits: { ...defaultResolverLimits, answers: 3 } })
  for (const name of ['a', 'b', 'c', 'd', 'd', 'c', 'b', 'a']) resolve(`sip:${name}.example:5060`)
  t.deepEqual(
    names.asked.map((question) => question[8]),
    ['a', 'b', 'c', 'd', 'a']
  )
})

test('one question at a time for a name; a server that never answers is waited for so long and no longer', (t) => {
  const waiting: ((answer: null) => void)[] = []
  let closed = 0
  const names: NameService = { ask: (_, answered) => waiting.push(answered), close: () => closed++ }
  const { clock, resolver } = setUp(names)
  const found: (readonly Destination[])[] = []
  const hop = nextHopOf('sip:a.example:5060') as Exclude<ReturnType<typeof nextHopOf>, string | undefined>
  for (let count = 0; count < 5; count++) resolver.resolve(hop, (destinations) => found.push(destinations))
  t.is(waiting.length, 1)
  clock.advance(defaultResolverLimits.deadlineMs)
  t.deepEqual(found, [[], [], [], [], []])
  t.is(clock.pending(), 0)
  waiting[0]!(null)
  t.is(found.length, 5)
  resolver.resolve({ ...hop, host: 'b.example' }, () => t.fail())
  resolver.close()
  waiting[1]!(null)
  t.is(clock.pending(), 0)
  t.is(closed, 1)
})

test('servers that do not answer for services are only asked for the address', (t) => {
  const names = createNames({ 'NAPTR a.example': 'silent', 'ADDRESS a.example': { addresses: ['192.0.2.1'] } })
  t.deepEqual(setUp(names).resolve('sip:a.example'), ['udp 192.0.2.1:5060 a.example'])
  t.deepEqual(names.asked, ['NAPTR a.example', 'ADDRESS a.example'])
})

test('the hosts file: comments, several names and addresses, changes; localhost and invalid without one', (t) => {
  t.deepEqual(
    [
      ...parseHosts(
        '127.0.0.1 localhost # me\n\n::1 localhost Host2\n# 1.1.1.1 no\n10.0.0.1\tA.example  a\nnonsense b\n10.0.0.2 a\n'
      )
    ],
    [
      ['localhost', ['127.0.0.1', '::1']],
      ['host2', ['::1']],
      ['a.example', ['10.0.0.1']],
      ['a', ['10.0.0.1', '10.0.0.2']]
    ]
  )
  const folder = mkdtempSync(join(tmpdir(), 'sip-engine-hosts-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'hosts')
  let now = 0
  const hosts = createHosts(path, () => now)
  t.deepEqual(hosts('localhost'), ['127.0.0.1', '::1'])
  t.deepEqual(hosts('abc.Invalid.'), [])
  t.is(hosts('a'), undefined)
  for (const [index, address] of ['10.0.0.1', '10.0.0.2'].entries()) {
    writeFileSync(path, `${address} a\n`)
    utimesSync(path, index + 1, index + 1)
    now += 6000
    t.deepEqual(hosts('A'), [address])
  }
  rmSync(path)
  t.deepEqual(hosts('a'), ['10.0.0.2'])
  now += 6000
  t.is(hosts('a'), undefined)
})

async function withServer(t: ExecutionContext, zone: TestZone, timeoutMs = 100) {
  const dns = await startDnsServer(zone)
  const names = createNameService({ servers: [dns.server], timeoutMs })
  const resolver = createResolver({ clock: systemClock, names, hosts: none, listeners: () => listeners, random: () => 0 })
  t.teardown(() => {
    resolver.close()
    return dns.close()
  })
  const resolve = (uri: string): Promise<string[]> =>
    new Promise((done) => {
      resolver.resolve(nextHopOf(uri) as Exclude<ReturnType<typeof nextHopOf>, string | undefined>, (destinations) =>
        done(destinations.map(({ transport, address, port, name }) => `${transport} ${address}:${port} ${name}`))
      )
    })
  return { dns, resolve }
}

test('against a real name server: NAPTR, SRV, addresses, and the cache', async (t) => {
  const { dns, resolve } = await withServer(t, {
    'example.test': [
      { type: 'NAPTR', order: 1, preference: 1, flags: 's', service: 'SIP+D2T', replacement: '_sip._tcp.example.test' }
    ],
    '_sip._tcp.example.test': [
      { type: 'SRV', priority: 2, weight: 0, port: 5062, name: 'b.example.test' },
      { type: 'SRV', priority: 1, weight: 0, port: 5061, name: 'a.example.test' }
    ],
    'a.example.test': [{ type: 'A', address: '192.0.2.1' }],
    'b.example.test': [
      { type: 'AAAA', address: '2001:db8:0:0:0:0:0:2' },
      { type: 'A', address: '192.0.2.2' }
    ]
  })
  const expected = ['tcp 192.0.2.1:5061 example.test', 'tcp 192.0.2.2:5062 example.test']
  t.deepEqual(await resolve('sip:bob@Example.test'), expected)
  const count = dns.asked.length
  t.deepEqual([...dns.asked.slice(0, 2)], ['NAPTR example.test', 'SRV _sip._tcp.example.test'])
  t.deepEqual(await resolve('sip:bob@example.test'), expected)
  t.is(dns.asked.length, count)
})

test('against a real name server: names that are not there, servers that fail or keep silent', async (t) => {
  const { resolve } = await withServer(t, { 'broken.test': 'failure', 'silent.test': 'silence' })
  const start = performance.now()
  for (const name of ['absent.test', 'broken.test', 'silent.test']) t.deepEqual(await resolve(`sip:${name}`), [])
  t.true(performance.now() - start < 5000)
})

test('what a configuration of name servers may be', (t) => {
  t.deepEqual(nameServiceProblems({}), [])
  t.deepEqual(nameServiceProblems({ servers: ['192.0.2.53', '192.0.2.53:5353', '2001:db8::53', '[2001:db8::53]:53'] }), [])
  t.deepEqual(nameServiceProblems({ servers: [], timeoutMs: 0 }), [
    'servers: at least one, or none given',
    'timeoutMs: 1 to 60000'
  ])
  t.deepEqual(nameServiceProblems({ servers: ['ns.example'] }), ['servers[0]: an address, or address:port'])
})
