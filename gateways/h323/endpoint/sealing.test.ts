import test from 'ava'
import { setup } from '../call/messages.ts'
import { decodeQ931, encodeQ931, type Q931Message } from '../q931/q931.ts'
import { createSealing } from './sealing.ts'

const nowMs = Date.UTC(2026, 0, 1)
const here = { ip: '192.0.2.1', port: 1720 }
const message = setup(
  { callReference: 5, callReferenceFlag: false, callIdentifier: Buffer.alloc(16, 1), conferenceId: Buffer.alloc(16, 2) },
  { aliases: [], endpointType: { terminal: {}, mc: false, undefinedNode: false }, display: null },
  { destination: [], destCallSignalAddress: here, sourceCallSignalAddress: here, endpointIdentifier: null },
  { tunnelling: false }
)
const sent = (from: Q931Message): Q931Message => decodeQ931(encodeQ931(from))

test('a message is believed once, within the window, from who has the password, and never from ourselves', (t) => {
  let now = nowMs
  const sealing = (sendersID: string, generalID: string, password = 'shared') =>
    createSealing({ sendersID, generalID, password }, () => now)
  const ours = sealing('one', 'two')
  const theirs = sealing('two', 'one')
  const octets = sent(ours.seal(message))
  t.false(ours.isTrusted(octets), 'our own, sent back')
  t.true(theirs.isTrusted(octets))
  t.false(theirs.isTrusted(octets), 'again')
  t.false(sealing('two', 'one', 'other').isTrusted(octets))
  const late = sent(ours.seal(message))
  now += 3_600_000
  t.false(theirs.isTrusted(late))
})
