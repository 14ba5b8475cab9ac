import test from 'ava'
import fc from 'fast-check'
import { cosign, readCosigner } from './cosignature.ts'
import { leafHash } from './merkle.ts'
import { formatVerifierKey, generateSigningKey, parseCheckpoint, readSigner, signCheckpoint } from './note.ts'
import { noPolicy, parsePolicy } from './policy.ts'
import { inclusionProof } from './proof.ts'
import { checkTlogProof, formatTlogProof, parseTlogProof } from './tlog-proof.ts'
import { rootOfHashes } from './tree.ts'

const signer = readSigner('log.example/a', generateSigningKey())
const seat = readCosigner('seat.example/1', generateSigningKey())
const entries = Array.from({ length: 13 }, (_, at) => Buffer.from(`entry ${at}`))
const leaves = entries.map(leafHash)
const note = signCheckpoint({ origin: 'log.example/a', size: 13, root: rootOfHashes(Buffer.concat(leaves)) }, signer)
const cosigned = note + cosign(parseCheckpoint(note).body, seat, 1)
const policy = parsePolicy(`witness s ${formatVerifierKey(seat)}\nquorum s\n`)
const text = (index: number, checkpoint = cosigned) =>
  formatTlogProof({ index, proof: inclusionProof(leaves, index), checkpoint, extra: entries[index]! })

test('every entry is proved by its text, offline', (t) => {
  for (const index of entries.keys()) {
    t.like(checkTlogProof(parseTlogProof(text(index)), { logs: [signer], policy }), { included: true, quorum: true, good: true })
  }
})

test('what fails is told apart', (t) => {
  const trust = { logs: [signer], policy }
  const proof = parseTlogProof(text(5))
  t.like(checkTlogProof({ ...proof, index: 6 }, trust), { included: false, logSigned: true, quorum: true, good: false })
  t.like(checkTlogProof(proof, trust, Buffer.from('entry 6')), { included: false, good: false })
  t.like(checkTlogProof(proof, { logs: [], policy }), { included: true, logSigned: false, good: false })
  t.like(checkTlogProof(parseTlogProof(text(5, note)), trust), { included: true, logSigned: true, quorum: false, good: false })
  t.like(checkTlogProof(parseTlogProof(text(5, note)), { logs: [signer], policy: noPolicy }), { good: true })
})

test('a proof is read as it was written, with and without extra data', (t) => {
  const { extra, ...bare } = parseTlogProof(text(3))
  t.deepEqual(extra, entries[3])
  t.deepEqual(parseTlogProof(formatTlogProof(bare)), bare)
  t.false('extra' in parseTlogProof(formatTlogProof(bare)))
})

test('an ill-formed proof is refused; any changed octet is refused or not good', (t) => {
  const good = text(5)
  const bad = [
    '',
    good.replace('@v1', '@v2'),
    good.replace('index 5', 'index 05'),
    good.replace('index 5', 'index'),
    good.replace('extra ', 'extra !'),
    good.replace(/\n\n/, '\nAAAA\n\n'),
    good.replace(/\n\n/, `${`\n${Buffer.alloc(32).toString('base64')}`.repeat(64)}\n\n`),
    good.slice(0, good.indexOf('\n\n'))
  ]
  for (const each of bad) t.throws(() => parseTlogProof(each), { code: 'ledger.proof.malformed' }, each)
  const octets = Buffer.from(good)
  fc.assert(
    fc.property(fc.nat(octets.length - 1), fc.integer({ min: 1, max: 127 }), (at, change) => {
      const changed = Buffer.from(octets)
      changed[at]! ^= change
      try {
        return !checkTlogProof(parseTlogProof(changed.toString('utf8')), { logs: [signer], policy }).good
      } catch (error) {
        t.regex(String((error as { code?: string }).code), /^ledger\.(?:proof|checkpoint)\.malformed$/)
        return true
      }
    }),
    { seed: 3, numRuns: 400 }
  )
})
