import test from 'ava'
import { formatSessionId, readPeerSessionId } from './session-id.ts'

test('Session-ID holds our trace id and their id, or the nil id', (t) => {
  const theirs = 'ab30317f1a784dc48ff824d0d3715d86'
  t.is(readPeerSessionId(`${theirs};remote=${'0'.repeat(32)}`), theirs)
  t.is(readPeerSessionId(theirs), theirs)
  for (const bad of [undefined, '', 'AB', `${theirs}0`, `x;remote=${theirs}`]) t.is(readPeerSessionId(bad), '0'.repeat(32))
  t.is(formatSessionId('1'.repeat(32), theirs), `${'1'.repeat(32)};remote=${theirs}`)
})
