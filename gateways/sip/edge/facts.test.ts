import test from 'ava'
import { readEdgeFacts } from './facts.ts'

const full = {
  'X-IF-Edge-Source': '203.0.113.9',
  'X-IF-Edge-Transport': 'tls',
  'X-IF-Edge-TLS-Version': 'TLSv1.3',
  'X-IF-Edge-TLS-Cipher': 'TLS_AES_256_GCM_SHA384',
  'X-IF-Edge-Certificate': 'sip:expert-safety@external.advisor',
  'X-IF-Edge-User': 'expert-safety',
  'X-IF-Edge-Digest': 'SHA-256',
  'X-IF-Edge-Layers': 'pike, allowlist,tls,digest,rate',
  from: '<sip:a@b>'
}

test('every fact is read', (t) => {
  t.deepEqual(readEdgeFacts(full), {
    ok: true,
    layers: ['pike', 'allowlist', 'tls', 'digest', 'rate'],
    facts: {
      sourceAddress: '203.0.113.9',
      transport: 'tls',
      tlsVersion: 'TLSv1.3',
      tlsCipher: 'TLS_AES_256_GCM_SHA384',
      certificateIdentity: 'sip:expert-safety@external.advisor',
      authenticatedUser: 'expert-safety',
      digestAlgorithm: 'SHA-256'
    }
  })
})

test('what the edge did not ask is null', (t) => {
  t.deepEqual(readEdgeFacts({ 'X-IF-Edge-Source': '[2001:0DB8:0:0:0:0:0:1]', 'X-IF-Edge-Transport': 'UDP' }), {
    ok: true,
    layers: [],
    facts: {
      sourceAddress: '2001:db8::1',
      transport: 'udp',
      tlsVersion: null,
      tlsCipher: null,
      certificateIdentity: null,
      authenticatedUser: null,
      digestAlgorithm: null
    }
  })
})

test('source and transport are facts without which nothing is known', (t) => {
  for (const name of ['X-IF-Edge-Source', 'X-IF-Edge-Transport'] as const) {
    const { [name]: _, ...rest } = full
    t.deepEqual(readEdgeFacts(rest), { ok: false, code: 'edge.facts.missing', header: name })
  }
})

test('a name in any other spelling was not written by the edge', (t) => {
  for (const name of ['x-if-edge-user', 'X-If-Edge-User', 'X-IF-Edge-Admin', 'X-IF-EDGE-Source'])
    t.deepEqual(readEdgeFacts({ ...full, [name]: 'root' }), { ok: false, code: 'edge.facts.smuggled', header: name })
})

test('values are held to their form, so that two joined headers are refused', (t) => {
  const bad: Record<string, string> = {
    'X-IF-Edge-Source': '203.0.113.9,198.51.100.1',
    'X-IF-Edge-Transport': 'tls,udp',
    'X-IF-Edge-TLS-Version': 'SSLv3',
    'X-IF-Edge-TLS-Cipher': 'A,B',
    'X-IF-Edge-Certificate': ' <x>',
    'X-IF-Edge-User': 'a,b',
    'X-IF-Edge-Digest': 'SHA-1',
    'X-IF-Edge-Layers': 'pike,magic'
  }
  for (const [name, value] of Object.entries(bad))
    t.deepEqual(readEdgeFacts({ ...full, [name]: value }), { ok: false, code: 'edge.facts.malformed', header: name })
})
