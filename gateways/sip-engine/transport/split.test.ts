import test from 'ava'
import { requestText } from '../testing/sip-text.ts'
import { createStreamFramer } from './stream-framer.ts'
import { client, open, until } from './testing/harness.ts'

const limits = { headerSection: 65_536, body: 65_536 }
const sdp = `v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n${'a=rtpmap:0 PCMU/8000\r\n'.repeat(20)}`
const invite = requestText({
  method: 'INVITE',
  branch: '1',
  transport: 'TCP',
  extra: ['Content-Type: application/sdp'],
  body: sdp
})

test('an INVITE cut in two at every octet is one message', (t) => {
  const bytes = Buffer.from(invite)
  t.true(bytes.length >= 700)
  for (let at = 1; at < bytes.length; at++) {
    const framer = createStreamFramer(limits)
    t.deepEqual(framer.push(bytes.subarray(0, at)), [])
    t.is(framer.unfinished(), at)
    t.deepEqual(framer.push(bytes.subarray(at)), [{ type: 'message', bytes }])
    t.is(framer.unfinished(), 0)
  }
})

test('two messages with a ping between them, cut in three at every pair of seven octets, are the same', (t) => {
  const bytes = Buffer.from(`${invite}\r\n\r\n${invite}`)
  for (let first = 1; first < bytes.length; first += 7) {
    for (let second = first + 1; second < bytes.length; second += 49) {
      const framer = createStreamFramer(limits)
      const items = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)].flatMap(framer.push)
      t.deepEqual(
        items.map(({ type }) => type),
        ['message', 'ping', 'message']
      )
    }
  }
})

test('the same over a socket, at a few places', async (t) => {
  const { port, messages } = await open(t, [{ transport: 'tcp' }])
  const peer = await client(t, port)
  const places = [1, 7, 40, invite.indexOf('Content-Length') + 3, invite.indexOf('\r\n\r\n') + 1, invite.length - 1]
  for (const [index, at] of places.entries()) {
    peer.socket.write(invite.slice(0, at))
    await new Promise((resolve) => setTimeout(resolve, 5))
    peer.socket.write(invite.slice(at))
    await until(() => messages.length > index)
  }
  peer.socket.write(invite + invite)
  await until(() => messages.length === places.length + 2)
  t.is(messages.length, places.length + 2)
  for (const { text } of messages) t.is(text, invite)
})
