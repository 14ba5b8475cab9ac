import test from 'ava'
import { createVersioning, withDirection } from './hold-sdp.ts'

const sdp = (direction: string, version = 7) =>
  `v=0\r\no=- 123 ${version} IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n${direction === '' ? '' : `a=${direction}\r\n`}`

test('a description gets another direction, whether it named one or not', (t) => {
  t.is(withDirection(sdp('sendrecv'), 'inactive'), sdp('inactive'))
  t.is(withDirection(sdp('sendonly'), 'sendrecv'), sdp('sendrecv'))
  t.is(withDirection(sdp(''), 'inactive'), sdp('inactive'))
  t.is(withDirection('v=0\na=sendrecv\n', 'inactive'), 'v=0\na=inactive\n')
})

test('versions grow by one with each description that differs, and stay with one that is repeated', (t) => {
  const describe = createVersioning()
  t.is(describe(sdp('sendrecv')), sdp('sendrecv', 7))
  t.is(describe(sdp('sendrecv', 9)), sdp('sendrecv', 7))
  t.is(describe(sdp('inactive', 7)), sdp('inactive', 8))
  t.is(describe(sdp('sendrecv', 7)), sdp('sendrecv', 9))
  t.is(describe('no description'), 'no description')
})
