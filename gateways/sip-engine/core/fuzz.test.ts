import test from 'ava'
import fc from 'fast-check'
import { createBench } from '../testing/bench.ts'
import { createFakeApplication } from '../testing/fake-application.ts'
import { headerOf, requestText, responseText, startLine } from '../testing/sip-text.ts'

/** Changes to a text: octets replaced, runs cut out or doubled. */
const edits = fc.array(
  fc.record({
    kind: fc.constantFrom('replace', 'cut', 'double', 'insert'),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.integer({ min: 1, max: 40 }),
    text: fc.constantFrom(
      '\r\n',
      '\n',
      ' ',
      ';',
      ',',
      ':',
      '"',
      '<',
      '>',
      '@',
      '=',
      '\0',
      '\xff',
      '%',
      '9'.repeat(30),
      'tag=',
      'SIP/2.0',
      '|',
      '#'
    )
  }),
  { minLength: 1, maxLength: 6 }
)

type Edits = typeof edits extends fc.Arbitrary<infer T> ? T : never

function edited(text: string, changes: Edits): string {
  let out = text
  for (const { kind, at, length, text: piece } of changes) {
    const from = Math.floor(at * out.length)
    const run = out.slice(from, from + length)
    if (kind === 'replace') out = out.slice(0, from) + piece + out.slice(from + piece.length)
    else if (kind === 'cut') out = out.slice(0, from) + out.slice(from + length)
    else if (kind === 'double') out = out.slice(0, from) + run + run + out.slice(from + length)
    else out = out.slice(0, from) + piece + out.slice(from)
  }
  return out
}

const options = {
  extra: ['Supported: 100rel, timer', 'Session-Expires: 1800;refresher=uac', 'Record-Route: <sip:10.0.0.7;lr>', 'Event: x']
}

test('damaged SIP, in and around dialogs, is taken or refused but never a defect; everything ends', (t) => {
  let calls = 0
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 9 }), edits), { minLength: 1, maxLength: 12 }), (steps) => {
      const { network, at, engine, clock, counters } = createBench()
      const peer = network.peer('udp', '10.0.0.9', 5090)
      const far = network.peer('udp', '10.0.0.2', 5060)
      const app = createFakeApplication(engine, ['invite', 'options', 'subscribe', 'notify', 'info', 'message', 'register'])
      const callId = `fuzz-${calls++}`
      const say = (text: string): void => {
        peer.send(text, at)
        clock.advance(5)
      }
      say(requestText({ method: 'INVITE', branch: 'i', callId, ...options }))
      const transaction = app.delivered()[0]!.fields[8]!
      const dialog = `${callId};from-tag=ft`
      app.send(`sip|${transaction}|`, 'SIP/2.0 183 Progress\nRequire: 100rel\n\n')
      app.send('sip||', 'INVITE sip:bob@10.0.0.2 SIP/2.0\n\n')
      clock.advance(5)
      const to = headerOf(peer.received.at(-1)!.text, 'To') ?? ''
      const rseq = headerOf(peer.received.at(-1)!.text, 'RSeq') ?? '1'
      const outgoing = far.received[0]!.text
      const texts = [
        () => requestText({ method: 'PRACK', branch: 'p', callId, to, cseq: 2, extra: [`RAck: ${rseq} 1 INVITE`] }),
        () => requestText({ method: 'CANCEL', branch: 'i', callId }),
        () => requestText({ method: 'UPDATE', branch: 'u', callId, to, cseq: 3, ...options }),
        () => requestText({ method: 'BYE', branch: 'b', callId, to, cseq: 4 }),
        () => requestText({ method: 'INVITE', branch: 'i2', callId: `${callId}x`, ...options, body: 'v=0\r\n' }),
        () => requestText({ method: 'SUBSCRIBE', branch: 's', callId: `${callId}s`, ...options }),
        () => responseText(outgoing, 180, { extra: ['Require: 100rel', 'RSeq: 3', 'Contact: <sip:bob@10.0.0.2>'] }),
        () => responseText(outgoing, 200, { extra: ['Contact: <sip:bob@10.0.0.2>', 'Session-Expires: 100'] }),
        () => responseText(outgoing, 407, { extra: ['Proxy-Authenticate: Digest realm="x"'] }),
        () =>
          requestText({
            method: 'REGISTER',
            branch: 'r',
            callId: `${callId}r`,
            extra: ['Contact: <sip:a@b>;expires=60', 'Contact: *']
          })
      ]
      const ownTexts = [
        `SIP/2.0 200 OK\nContact: <sip:a@localhost>\nSession-Expires: 100;refresher=uas\n\nv=0`,
        'BYE sip:placeholder SIP/2.0\nReason: x\n\n',
        'INVITE sip:placeholder SIP/2.0\nContact: sip:a@localhost\n\nv=0',
        'CANCEL sip:x SIP/2.0\n\n'
      ]
      for (const [which, changes] of steps) {
        say(edited(texts[which]!(), changes))
        const sip = edited(ownTexts[which % ownTexts.length]!, changes)
        for (const meta of [`sip|${transaction}|`, `sip||${dialog}`, 'sip||']) {
          if (!sip.startsWith('SIP/') || meta.includes(transaction)) app.send(meta, sip)
        }
      }
      app.disconnect()
      clock.advance(400_000)
      t.is(counters.defects, 0)
      t.deepEqual(engine.counts(), { dialogs: 0, serverTransactions: 0, clientTransactions: 0, proxied: 0 })
      t.is(clock.pending(), 0)
    }),
    { numRuns: 400 }
  )
})

test('a defect in handling one message is counted and harms nothing else', (t) => {
  const { network, at, engine, clock, counters } = createBench()
  const peer = network.peer('udp', '10.0.0.9', 5090)
  const app = createFakeApplication(engine, ['options'])
  Object.assign(app.application, {
    send: () => {
      throw new TypeError('broken application link')
    }
  })
  peer.send(requestText({ method: 'OPTIONS', branch: 'o1' }), at)
  clock.advance(5)
  t.is(counters.defects, 1)
  app.disconnect()
  peer.send(requestText({ method: 'OPTIONS', branch: 'o2', callId: 'c2' }), at)
  clock.advance(5)
  t.is(startLine(peer.received.at(-1)!.text), 'SIP/2.0 503 Service Unavailable')
})
