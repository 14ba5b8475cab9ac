/** Proofs and cosignatures that programs of others made. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { cosignedAt, parseCosignerKey } from './cosignature.ts'
import { isSignedBy, parseCheckpoint, parseVerifierKey } from './note.ts'
import { noPolicy, parsePolicy } from './policy.ts'
import { checkTlogProof, parseTlogProof } from './tlog-proof.ts'

interface Vectors {
  readonly tessera: { readonly vkey: string; readonly leaf: string; readonly proof: string }
  readonly witness: { readonly log: string; readonly witness: string; readonly timeS: number; readonly note: string }
  readonly tlogScales: { readonly vkey: string; readonly leaf: string; readonly proof: string }
}

const { tessera, witness, tlogScales }: Vectors = JSON.parse(
  readFileSync(new URL('testdata/interop.json', import.meta.url), 'utf8')
)

for (const [name, { vkey, leaf, proof }] of Object.entries({ tessera, 'tlog-scales': tlogScales })) {
  test(`a proof that ${name} made is good for its entry and its log alone`, (t) => {
    const logs = [parseVerifierKey(vkey)]
    const told = parseTlogProof(proof)
    t.is(told.index, 256)
    t.true(checkTlogProof(told, { logs, policy: noPolicy }, Buffer.from(leaf)).good)
    t.false(checkTlogProof(told, { logs, policy: noPolicy }, Buffer.from(`${leaf} `)).good)
    t.false(checkTlogProof({ ...told, index: 255 }, { logs, policy: noPolicy }, Buffer.from(leaf)).good)
    t.false(checkTlogProof(told, { logs: [parseVerifierKey(witness.log)], policy: noPolicy }, Buffer.from(leaf)).good)
  })
}

test('a cosignature that aics-witness made counts for its head, at its time', (t) => {
  const note = parseCheckpoint(witness.note)
  t.true(isSignedBy(note, parseVerifierKey(witness.log)))
  t.is(cosignedAt(note, parseCosignerKey(witness.witness)), witness.timeS)
  t.is(cosignedAt(parseCheckpoint(witness.note.replace('\n500\n', '\n501\n')), parseCosignerKey(witness.witness)), null)
  t.is(parsePolicy(`log ${witness.log}\nwitness w ${witness.witness}\nquorum w\n`).witnesses.length, 1)
})
