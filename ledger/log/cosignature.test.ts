import { createPublicKey, verify } from 'node:crypto'
import test from 'ava'
import { cosign, cosignedAt, parseCosignerKey, readCosigner } from './cosignature.ts'
import { formatVerifierKey, generateSigningKey, parseCheckpoint, parseVerifierKey, readSigner, signCheckpoint } from './note.ts'

const pem = generateSigningKey()
const signer = readSigner('log.example/a', generateSigningKey())
const cosigner = readCosigner('seat.example/1', pem)
const note = signCheckpoint({ origin: 'log.example/a', size: 42, root: Buffer.alloc(32, 7) }, signer)
const { body } = parseCheckpoint(note)
const timeS = 1_679_315_147

test('a cosignature says when; it holds for its checkpoint and its key alone', (t) => {
  const cosigned = parseCheckpoint(note + cosign(body, cosigner, timeS))
  t.is(cosignedAt(cosigned, cosigner), timeS)
  t.is(cosignedAt(parseCheckpoint(note), cosigner), null)
  t.is(cosignedAt({ ...cosigned, body: body.replace('\n42\n', '\n43\n') }, cosigner), null)
  t.is(cosignedAt(cosigned, readCosigner('seat.example/1', generateSigningKey())), null)
  t.is(cosignedAt(cosigned, readCosigner('seat.example/2', pem)), null)
})

// C2SP signed-note: "if a signature from a known key fails to verify, clients SHOULD reject the whole note"
test('of several cosignatures the latest counts; with a bad one beside them none does', (t) => {
  const several = note + cosign(body, cosigner, timeS + 5) + cosign(body, cosigner, timeS)
  t.is(cosignedAt(parseCheckpoint(several), cosigner), timeS + 5)
  const spoiled = cosign(`${body}x`, cosigner, timeS + 9)
  const short = `— seat.example/1 ${Buffer.concat([cosigner.keyHash, Buffer.alloc(9)]).toString('base64')}\n`
  for (const bad of [spoiled, short]) t.is(cosignedAt(parseCheckpoint(several + bad), cosigner), null)
})

test('what is signed, and how the line is laid out, are as the format says', (t) => {
  const [line] = parseCheckpoint(note + cosign(body, cosigner, timeS)).signatures.slice(1)
  t.is(line?.signature.readBigUInt64BE(), BigInt(timeS))
  const message = Buffer.from(`cosignature/v1\ntime ${timeS}\n${body}`)
  t.true(verify(null, message, createPublicKey(pem), line!.signature.subarray(8)))
})

test('a key has another hash as a witness than as a log, and neither passes for the other', (t) => {
  const asLog = readSigner('seat.example/1', pem)
  t.notDeepEqual(asLog.keyHash, cosigner.keyHash)
  t.is(formatVerifierKey(parseCosignerKey(formatVerifierKey(cosigner))), formatVerifierKey(cosigner))
  t.throws(() => parseCosignerKey(formatVerifierKey(asLog)), { code: 'ledger.vkey.malformed' })
  t.throws(() => parseVerifierKey(formatVerifierKey(cosigner)), { code: 'ledger.vkey.malformed' })
})
