import test from 'ava'
import { h225 } from '../h323.ts'

test('versions are read from protocol identifiers; a peer that says none counts as old', (t) => {
  t.is(h225.h225VersionOf('0.0.8.2250.0.4'), 4)
  t.is(h225.h225VersionOf(h225.h225ProtocolIdentifier), 8)
  t.is(h225.h245VersionOf('0.0.8.245.0.13'), 13)
  for (const identifier of ['', '0.0.8.245.0.4', '0.0.8.2250.0.x', undefined]) t.is(h225.h225VersionOf(identifier), undefined)
  t.is(h225.commonVersion(8, 4), 4)
  t.is(h225.commonVersion(8, 9), 8)
  t.is(h225.commonVersion(8, undefined), 2)
})
