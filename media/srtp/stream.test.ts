import { randomBytes } from 'node:crypto'
import test from 'ava'
import { encodeRtp } from '../rtp/rtp.ts'
import { noMki } from './crypto-attribute.ts'
import type { SrtpTerms } from './secrecy.ts'
import { SrtpStream } from './stream.ts'

const suites = ['AES_CM_128_HMAC_SHA1_80', 'AEAD_AES_256_GCM'] as const
const keyOf = (suite: string) => randomBytes(suite === 'AEAD_AES_256_GCM' ? 44 : 30)

function terms(suite: string): SrtpTerms {
  return { tag: 1, suite, localKey: keyOf(suite), remoteKey: keyOf(suite), remoteMki: noMki }
}
const other = ({ localKey, remoteKey, ...rest }: SrtpTerms): SrtpTerms => ({ ...rest, localKey: remoteKey, remoteKey: localKey })

function sent(by: SrtpStream, sequence: number): Buffer {
  const packet = Buffer.alloc(172, 0x55)
  encodeRtp(packet, false, 0, sequence & 0xffff, sequence * 160, 77)
  return Buffer.from(by.packet.subarray(0, by.protect(packet, 172)))
}

for (const suite of suites)
  test(`${suite}: after new keys the peer is heard under the old one until it uses the new one`, (t) => {
    const before = terms(suite)
    const after = { ...terms(suite), localKey: before.localKey }
    const ours = new SrtpStream(before)
    const theirs = new SrtpStream(other(before))
    t.teardown(() => {
      ours.close()
      theirs.close()
    })
    const first = sent(theirs, 65_534)
    t.is(ours.unprotect(Buffer.from(first))?.length, 172)
    const onItsWay = [sent(theirs, 65_535), sent(theirs, 65_536)]
    const late = sent(theirs, 65_537)
    const forged = Buffer.from(late)
    forged[40]! ^= 1
    ours.rekey(after)
    theirs.rekey(other(after))
    for (const packet of onItsWay) t.is(ours.unprotect(packet)?.[20], 0x55)
    t.is(ours.unprotect(Buffer.from(first)), null, 'what was taken before is a replay still')
    t.is(ours.unprotect(forged), null)
    t.is(ours.unprotect(sent(theirs, 65_538))?.[20], 0x55)
    t.is(ours.unprotect(late), null, 'the old key has had its time')
  })

test('the key before is good for a bounded number of packets', (t) => {
  const [suite] = suites
  const before = terms(suite)
  const ours = new SrtpStream(before)
  const theirs = new SrtpStream(other(before))
  t.teardown(() => {
    ours.close()
    theirs.close()
  })
  ours.rekey({ ...terms(suite), localKey: before.localKey })
  const taken = Array.from({ length: 600 }, (_, n) => ours.unprotect(sent(theirs, n)) !== null)
  t.is(taken.lastIndexOf(true), 499)
  t.true(taken.slice(0, 500).every(Boolean))
})
