import type { PeerCertificate } from 'node:tls'
import test from 'ava'
import { checkSipServer, sipDomains } from './certificates.ts'

test('SIP URIs before DNS names before the common name; users are no domains', (t) => {
  t.deepEqual(sipDomains('DNS:a.example, URI:sip:B.example, IP Address:192.0.2.1', 'c'), ['b.example'])
  t.deepEqual(sipDomains('DNS:A.example, DNS:b.example', 'c'), ['a.example', 'b.example'])
  t.deepEqual(sipDomains('URI:sip:alice@a.example, DNS:b.example', undefined), ['b.example'])
  t.deepEqual(sipDomains('URI:https://a.example', 'c.example'), [])
  t.deepEqual(sipDomains('IP Address:192.0.2.1', 'C.example'), ['c.example'])
  t.deepEqual(sipDomains(undefined, '192.0.2.1'), [])
})

test('a quoted name with a comma in it is one name', (t) => {
  t.deepEqual(sipDomains('DNS:"a.example, DNS:victim.example"', undefined), ['a.example, dns:victim.example'])
})

test('a server shows the name that was dialled: whole, no wildcard', (t) => {
  const certificate = (subjectaltname: string) => ({ subject: { CN: 'x' }, subjectaltname }) as unknown as PeerCertificate
  t.is(checkSipServer('a.example', certificate('DNS:a.example')), undefined)
  t.is(checkSipServer('A.example', certificate('URI:sip:a.example')), undefined)
  t.regex(checkSipServer('b.a.example', certificate('DNS:*.a.example'))!.message, /not for b\.a\.example/)
  t.regex(checkSipServer('a.example', certificate('DNS:a.example, URI:sip:b.example'))!.message, /but for b\.example/)
  t.is(checkSipServer('192.0.2.1', certificate('IP Address:192.0.2.1')), undefined)
  t.truthy(checkSipServer('192.0.2.2', certificate('IP Address:192.0.2.1')))
})
