import { isIPv6, SocketAddress } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { isUnicast, plainAddress, textOf6, writeOctets } from './inet.ts'

test('text of IPv6 is that of RFC 5952 §4, whatever way it was written', (t) => {
  const forms: readonly (readonly [string, string])[] = [
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['192.0.2.1', '192.0.2.1']
  ]
  for (const [written, plain] of forms) t.is(plainAddress(written), plain)
})

test('octets written are octets read', (t) => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const octets = new Uint8Array(16)
      t.is(writeOctets(octets, 0, address), 16)
      const text = textOf6(new DataView(octets.buffer), 0)
      t.true(isIPv6(text))
      t.is(plainAddress(text), text)
      const peer = (each: string) => new SocketAddress({ address: each, family: 'ipv6' }).address
      t.is(peer(text), peer(address))
    })
  )
})

test('one participant is reached at a unicast address alone', (t) => {
  for (const address of ['192.0.2.1', '127.0.0.1', '::1', '2001:db8::1', 'fd00::1']) t.true(isUnicast(address), address)
  for (const address of ['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', 'ff02::1', 'fe80::1', '::ffff:192.0.2.1'])
    t.false(isUnicast(address), address)
})
