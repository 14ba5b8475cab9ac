import test from 'ava'
import { commitmentOf, commitTo, isCommittedTo } from './commitment.ts'

test('a commitment holds for its payload and its salt alone, and two of one payload differ', (t) => {
  const payload = { number: '+15550100', name: 'é' }
  const { commitment, erasable } = commitTo(payload)
  t.true(isCommittedTo(commitment, erasable))
  t.deepEqual(JSON.parse(erasable.payload), payload)
  t.false(isCommittedTo(commitment, { ...erasable, payload: erasable.payload.replace('0100', '0101') }))
  const other = commitTo(payload)
  t.not(other.commitment.hash, commitment.hash)
  t.false(isCommittedTo(commitment, other.erasable))
  t.false(isCommittedTo(commitment, { ...erasable, salt: erasable.salt.slice(0, -4) }))
})

test('salt and payload cannot be shifted into one another', (t) => {
  const { commitment, erasable } = commitTo({ a: 1 })
  const salt = Buffer.from(erasable.salt, 'base64')
  const shifted = {
    salt: salt.subarray(0, 31).toString('base64'),
    payload: `${salt.subarray(31).toString('latin1')}${erasable.payload}`
  }
  t.false(isCommittedTo(commitment, shifted))
})

test('the commitment of a payload is found where it is one', (t) => {
  const { commitment } = commitTo({})
  t.deepEqual(commitmentOf({ callId: 'x', commitment }), commitment)
  for (const no of [null, 'x', [], { alg: 'md5', hash: commitment.hash }, { alg: 'sha256', hash: 'x' }]) {
    t.is(commitmentOf({ commitment: no }), null)
  }
})
