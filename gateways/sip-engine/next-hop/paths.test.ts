import test from 'ava'
import { manualClock } from '#kernel'
import { parseAddress } from '../codec/address.ts'
import { createNames } from '../testing/names.ts'
import type { Flow, Listener, TransportPort } from '../transport/port.ts'
import { createPaths } from './paths.ts'
import { createResolver } from './resolver.ts'

const udp: Listener = { transport: 'udp', address: '192.0.2.100', port: 5060 }
const tcp: Listener = { transport: 'tcp', address: '192.0.2.100', port: 5060 }
const ws: Listener = { transport: 'ws', address: '192.0.2.100', port: 8080 }

/** What is sent is noted as `flow N` or as transport and address. */
function scene() {
  const clock = manualClock()
  const sent: string[] = []
  const closed = new Set<number>()
  const transport: TransportPort = {
    listeners: [udp, tcp, ws],
    reply: (flow) => sent.push(`reply ${flow.connection}`),
    send: (_, { transport: name, address, port }) => sent.push(`${name} ${address}:${port}`),
    sendOnFlow: (flow, _, failed) =>
      closed.has(flow.connection) ? failed(new Error('gone')) : sent.push(`flow ${flow.connection}`),
    isOpen: (flow) => !closed.has(flow.connection),
    alias: () => undefined
  }
  const resolver = createResolver({ clock, names: createNames(), hosts: () => undefined, listeners: () => transport.listeners })
  const paths = createPaths({ transport, resolver, datagram: 1300, nowMs: () => clock.monotonicMs() })
  /** Where a request to a registered contact goes, or the status that it fails with. */
  const reach = (uri: string): string => {
    const path = paths.registered(uri)
    if (path === undefined) return 'nobody'
    let failed = ''
    path.transmit(Buffer.from('x'), () => {
      failed = `${path.failure.status}`
    })
    return failed || sent.at(-1)!
  }
  return { clock, sent, closed, paths, reach }
}

const flow = (connection: number, listener: Listener = ws, port = 40_000 + connection): Flow => ({
  listener,
  remote: { address: '198.51.100.7', port },
  connection
})
const contact = (text: string) => parseAddress(text)!
const alice = 'sip:alice@example.com'
const browser = '<sip:a1@x.invalid;transport=ws>'

test('a contact is reached on the flow it registered on, until it expires, is removed or is lost', (t) => {
  const s = scene()
  t.is(s.reach('sip:a1@x.invalid;transport=ws'), 'nobody')
  s.paths.register(alice, contact(browser), flow(1), 60)
  t.is(s.reach('sip:a1@x.invalid;transport=ws'), 'flow 1')
  s.clock.advance(59_999)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 1')
  s.clock.advance(1)
  t.is(s.reach('sip:a1@x.invalid'), 'nobody')
  s.paths.register(alice, contact(browser), flow(2), 60)
  s.paths.register(alice, contact(browser), flow(2), 0)
  t.is(s.reach('sip:a1@x.invalid'), 'nobody')
  s.paths.register(alice, contact(browser), flow(3), 60)
  s.closed.add(3)
  t.is(s.reach('sip:a1@x.invalid'), '430')
})

test('a contact that can be connected to is left to that when its connection is gone', (t) => {
  const s = scene()
  s.paths.register(alice, contact('<sip:a@198.51.100.7:5070;transport=tcp>'), flow(1, tcp), 60)
  t.is(s.reach('sip:a@198.51.100.7:5070;transport=tcp'), 'flow 1')
  s.closed.add(1)
  t.is(s.reach('sip:a@198.51.100.7:5070;transport=tcp'), 'nobody')
})

test('UDP: only the flow of a contact that asks for it', (t) => {
  const s = scene()
  s.paths.register(alice, contact('<sip:a@198.51.100.7:5070>'), flow(0, udp), 60)
  t.is(s.reach('sip:a@198.51.100.7:5070'), 'nobody')
  for (const [user, text] of [
    ['b', '<sip:b@10.0.0.1;ob>'],
    ['c', '<sip:c@10.0.0.1>;reg-id=1;+sip.instance="<urn:uuid:1>"'],
    ['d', '<sip:d@x.invalid>']
  ] as const) {
    s.paths.register(alice, contact(text), flow(0, udp), 60)
    t.is(s.reach(`sip:${user}@${user === 'd' ? 'x.invalid' : '10.0.0.1'}`), 'flow 0')
  }
})

test('several flows of one instance: the latest first, then the others; the same reg-id replaces', (t) => {
  const s = scene()
  const numbered = (number: number) => contact(`${browser};reg-id=${number};+sip.instance="<urn:uuid:1>"`)
  s.paths.register(alice, numbered(1), flow(1), 60)
  s.paths.register(alice, numbered(2), flow(2), 60)
  const path = s.paths.registered('sip:a1@x.invalid')!
  path.transmit(Buffer.from('x'), () => t.fail())
  s.paths.after(path, 'transportError')!.transmit(Buffer.from('x'), () => t.fail())
  t.deepEqual(s.sent, ['flow 2', 'flow 1'])
  s.closed.add(2)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 1')
  s.paths.register(alice, numbered(1), flow(3), 60)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 3')
  s.closed.add(3)
  t.is(s.reach('sip:a1@x.invalid'), '430')
})

test('nobody takes over the contact of somebody else while that one is connected', (t) => {
  const s = scene()
  s.paths.register(alice, contact(browser), flow(1), 60)
  s.paths.register('sip:mallory@example.com', contact(browser), flow(2), 60)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 1')
  s.paths.register('sip:mallory@example.com', contact(browser), flow(2), 0)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 1')
  s.paths.register('sip:alice-mobile@example.com', contact(browser), flow(1), 60)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 1')
  s.closed.add(1)
  s.paths.register('sip:alice-mobile@example.com', contact(browser), flow(4), 60)
  t.is(s.reach('sip:a1@x.invalid'), 'flow 4')
})

test('next hops that no listener of ours can reach are not supported', (t) => {
  const { paths } = scene()
  t.is(paths.hop('sip:a@192.0.2.1;transport=tls'), 'unsupported')
  t.is(paths.hop('sips:a@192.0.2.1'), 'unsupported')
  t.is(paths.hop('sip:a@192.0.2.1;transport=wss'), 'unsupported')
  t.is(paths.hop('sip:a b'), undefined)
  for (const uri of ['sip:a@192.0.2.1', 'sip:a@192.0.2.1;transport=tcp', 'sip:a@x.invalid;transport=ws']) {
    t.is(typeof paths.hop(uri), 'object')
  }
})

test('size chooses between UDP and TCP; refused there, it is UDP after all', (t) => {
  const { paths, sent } = scene()
  const hop = paths.hop('sip:a@192.0.2.1')
  if (hop === undefined || hop === 'unsupported') return t.fail()
  paths.to(hop, (path) => {
    const small = paths.fitting(path!, 1300)
    const large = paths.fitting(path!, 1301)
    const back = paths.after(large, 'transportError')!
    for (const each of [small, large, back, paths.fitting(back, 5000)]) each.transmit(Buffer.from('x'), () => t.fail())
    t.is(paths.after(large, 'timeout'), null)
    t.is(paths.after(back, 'transportError'), null)
  })
  t.deepEqual(sent, ['udp 192.0.2.1:5060', 'tcp 192.0.2.1:5060', 'udp 192.0.2.1:5060', 'udp 192.0.2.1:5060'])
})
