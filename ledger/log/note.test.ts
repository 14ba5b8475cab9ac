import test from 'ava'
import { formatVerifierKey, generateSigningKey, openCheckpoint, parseVerifierKey, readSigner, signCheckpoint } from './note.ts'

const signer = readSigner('log.example/a', generateSigningKey())
const checkpoint = { origin: signer.name, size: 42, root: Buffer.alloc(32, 7) }

test('a checkpoint opens with the key that signed it, and with no other', (t) => {
  const note = signCheckpoint(checkpoint, signer)
  const verifier = parseVerifierKey(formatVerifierKey(signer))
  t.deepEqual(openCheckpoint(note, verifier), { checkpoint, signed: true })
  const other = readSigner('log.example/a', generateSigningKey())
  t.false(openCheckpoint(note, other).signed)
})

test('a key that two logs share does not let a checkpoint of the one stand for the other', (t) => {
  t.false(openCheckpoint(signCheckpoint({ ...checkpoint, origin: 'log.example/b' }, signer), signer).signed)
})

test('a changed size or root is not signed', (t) => {
  const note = signCheckpoint(checkpoint, signer)
  t.false(openCheckpoint(note.replace('\n42\n', '\n41\n'), signer).signed)
})

test('further signatures, as witnesses add them, are passed over', (t) => {
  const note = `${signCheckpoint(checkpoint, signer)}— witness.example AAAAAAAA\n`
  t.true(openCheckpoint(note, signer).signed)
})

for (const [what, note] of [
  ['no signature', 'log.example/a\n1\nAAAA\n'],
  ['a size with a leading zero', `log.example/a\n01\n${Buffer.alloc(32).toString('base64')}\n\n— x AAAA\n`],
  ['a short root', 'log.example/a\n1\nAAAA\n\n— x AAAA\n'],
  ['a signature line that is none', `log.example/a\n1\n${Buffer.alloc(32).toString('base64')}\n\nx AAAA\n`],
  ['too long', `${'x'.repeat(140_000)}\n\n`]
]) {
  test(`a checkpoint with ${what} is refused`, (t) => {
    t.throws(() => openCheckpoint(note!, signer), { code: 'ledger.checkpoint.malformed' })
  })
}

// Key of the Go checksum database, published with its hash: the form is the same for every log.
test('a verifier key of another log is read and written alike', (t) => {
  const vkey = 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8'
  t.is(formatVerifierKey(parseVerifierKey(vkey)), vkey)
  t.throws(() => parseVerifierKey(vkey.replace('033d', '033e')), { code: 'ledger.vkey.malformed' })
})
