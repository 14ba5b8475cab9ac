import test from 'ava'
import fc from 'fast-check'
import type { SipMessage } from '../server/drachtio.ts'
import { ambiguity, clip, readCSeq, readIdentities, readMediaType, readNameAddr, readTokens } from './headers.ts'

const message = (head: string): SipMessage => ({ raw: `${head}\r\n\r\n`, body: '', headers: {}, get: () => undefined })
const plain = 'INVITE sip:council@a SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE'

test('addresses are read in each of their forms', (t) => {
  t.deepEqual(readNameAddr('<sip:a@b>;tag=x'), { uri: 'sip:a@b', tag: 'x' })
  t.deepEqual(readNameAddr('"A, \\"B\\"" <sip:a@b;transport=tls>;expires=3;tag=x'), { uri: 'sip:a@b;transport=tls', tag: 'x' })
  t.deepEqual(readNameAddr('Anna Bell <sips:a@b>'), { uri: 'sips:a@b', tag: null })
  t.deepEqual(readNameAddr('sip:a@b;tag=x'), { uri: 'sip:a@b', tag: 'x' })
  t.deepEqual(readNameAddr('<tel:+4930123>'), { uri: 'tel:+4930123', tag: null })
})

test('what holds no single address is refused', (t) => {
  for (const bad of [
    '',
    '*',
    '<>',
    '<sip:a@b>, <sip:c@d>',
    'sip:a@b, sip:c@d',
    '<http://x>',
    '<sip:a@b',
    '"<sip:a@b>',
    'x'.repeat(3000)
  ])
    t.is(readNameAddr(bad), null, bad.slice(0, 40))
  t.is(readNameAddr(undefined), null)
})

test('reading an address never throws and takes no time to speak of', (t) => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => readNameAddr(text) !== undefined))
  const started = performance.now()
  readNameAddr(`"${'\\'.repeat(1000)}${'<'.repeat(1000)}`)
  readNameAddr(`${' '.repeat(1000)}<sip:a@b>${' '.repeat(1000)}`)
  t.true(performance.now() - started < 200)
})

test('CSeq has a number below 2^31 and a method', (t) => {
  t.deepEqual(readCSeq(' 314159 INVITE'), { number: 314159, method: 'INVITE' })
  for (const bad of [undefined, '', '1', 'INVITE', '-1 INVITE', '4294967296 INVITE', '1 INVITE x']) t.is(readCSeq(bad), null)
})

test('token lists and media types are compared in lower case', (t) => {
  t.deepEqual([...readTokens('Timer, 100rel ,,')], ['timer', '100rel'])
  t.deepEqual([...readTokens(undefined)], [])
  t.is(readMediaType('Application/SDP; charset=utf-8'), 'application/sdp')
  t.is(readMediaType('  '), null)
})

test('a plain request can be read in one way only', (t) => {
  t.is(ambiguity(message(plain)), null)
  t.is(ambiguity(message(plain.replace('From', 'f').replace('Call-ID', 'i'))), null)
  t.is(ambiguity(message(`${plain}\r\nSubject: 100%\r\n %x: folded`)), null)
})

test('header names that some reader unescapes into others are found', (t) => {
  t.is(ambiguity(message(`${plain}\r\n%58-IF-Edge-User: admin`)), 'sip.header.escaped-name')
  t.is(ambiguity(message(`${plain}\r\n%46rom: <sip:other@b>`)), 'sip.header.escaped-name')
})

test('headers that may stand once only are found twice, in any spelling', (t) => {
  for (const again of ['FROM: <sip:x@y>;tag=2', 'f: <sip:x@y>;tag=2', 'call-id : y', 'CSeq: 2 INVITE'])
    t.is(ambiguity(message(`${plain}\r\n${again}`)), 'sip.header.repeated', again)
  t.is(ambiguity(message(`${plain}\r\nX-IF-Hazard: safety\r\nx-if-hazard: ethics`)), 'sip.header.repeated')
  t.is(ambiguity(message(plain.replace(/Call-ID: x\r\n/, ''))), 'sip.header.missing')
})

test('a cut never leaves half a character', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.nat(20), (text, limit) => clip(text, limit).isWellFormed()))
  t.is(clip('abc', 2), 'ab')
})

test('Identity headers are parted at commas outside of brackets and quotes, the compact form is one of them', (t) => {
  const read = (headers: Record<string, string>) => readIdentities({ get: (name) => headers[name] })
  t.deepEqual(read({}), [])
  t.deepEqual(read({ Identity: 'a.b.c;info=<https://x/a,b>;ppt="s,h" , d.e.f;info=<https://y>' }), [
    'a.b.c;info=<https://x/a,b>;ppt="s,h"',
    'd.e.f;info=<https://y>'
  ])
  t.deepEqual(read({ Identity: 'a', y: 'b' }), ['a', 'b'])
  t.deepEqual(read({ Identity: ' , ,' }), [])
  t.deepEqual(read({ Identity: 'a;info=<x, b' }), ['a;info=<x, b'])
  const begun = performance.now()
  for (const text of ['<', '"', ',', '<"', '>'].map((each) => each.repeat(20_000))) read({ Identity: text })
  t.true(performance.now() - begun < 2_000)
})
