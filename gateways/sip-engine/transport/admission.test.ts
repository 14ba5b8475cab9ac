import test from 'ava'
import fc from 'fast-check'
import { addressGroup, createAdmission } from './admission.ts'

const limits = { connections: 5, connectionsPerAddress: 3, handshakes: 2, handshakesPerSecond: 10 }

test('connections are bounded in all and for each address', (t) => {
  const admission = createAdmission(limits)
  for (let count = 0; count < 3; count++) t.is(admission.enter('192.0.2.1', false, 0), undefined)
  t.is(admission.enter('192.0.2.1', false, 0), 'tooManyConnections')
  t.is(admission.enter('192.0.2.2', false, 0), undefined)
  t.is(admission.enter('192.0.2.3', false, 0), undefined)
  t.is(admission.enter('192.0.2.4', false, 0), 'tooManyConnections')
  admission.leave('192.0.2.1')
  t.is(admission.enter('192.0.2.1', false, 0), undefined)
})

test('handshakes under way are bounded, and end by success or by leaving', (t) => {
  const admission = createAdmission(limits)
  t.is(admission.enter('192.0.2.1', true, 0), undefined)
  t.is(admission.enter('192.0.2.2', true, 0), undefined)
  t.is(admission.enter('192.0.2.3', true, 0), 'tooManyHandshakes')
  t.is(admission.enter('192.0.2.3', false, 0), undefined)
  admission.established()
  t.is(admission.enter('192.0.2.4', true, 0), undefined)
})

test('handshakes of one address have a rate; others are not touched, and time gives it back', (t) => {
  const admission = createAdmission(limits)
  const attempt = (address: string, nowMs: number): boolean => {
    const refused = admission.enter(address, true, nowMs)
    if (refused !== undefined) return false
    admission.established()
    admission.leave(address)
    return true
  }
  const succeed = (nowMs: number): number => Array.from({ length: 50 }, () => attempt('192.0.2.1', nowMs)).filter(Boolean).length
  t.is(succeed(0), 20)
  t.true(attempt('192.0.2.2', 0))
  t.is(succeed(1000), 10)
  t.is(succeed(1050), 0)
  t.is(succeed(60_000), 20)
})

test('an IPv6 peer is its /64, an IPv4 peer its address', (t) => {
  t.is(addressGroup('192.0.2.1'), '192.0.2.1')
  t.is(addressGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  t.is(addressGroup('2001:0DB8:1:2::99'), '2001:db8:1:2::/64')
  t.is(addressGroup('2001:db8::1'), '2001:db8:0:0::/64')
  t.is(addressGroup('fe80::1%eth0'), 'fe80:0:0:0::/64')
  t.is(addressGroup('::1'), '0:0:0:0::/64')
  t.is(addressGroup('::ffff:192.0.2.1'), '0:0:0:0::/64')
})

test('whatever comes and goes, no bound is passed and all is free again in the end', (t) => {
  const addresses = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2']
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean(), fc.boolean()), { maxLength: 60 }), (steps) => {
      const admission = createAdmission({ ...limits, handshakesPerSecond: 1000 })
      const inside: { address: string; handshaking: boolean }[] = []
      const leave = (at: number) => {
        const [gone] = inside.splice(at, 1)
        if (gone!.handshaking) admission.established()
        admission.leave(gone!.address)
      }
      for (const [which, handshake, enter] of steps) {
        const address = addresses[which]!
        if (enter && admission.enter(address, handshake, 0) === undefined) inside.push({ address, handshaking: handshake })
        else if (!enter && inside.length > 0) leave(which % inside.length)
        t.true(inside.length <= 5)
        t.true(inside.filter(({ handshaking }) => handshaking).length <= 2)
        t.true(inside.filter((each) => each.address.startsWith('2001')).length <= 3)
      }
      while (inside.length > 0) leave(0)
      for (let count = 0; count < 3; count++) t.is(admission.enter('192.0.2.1', count < 2, 0), undefined)
    }),
    { numRuns: 200 }
  )
})
