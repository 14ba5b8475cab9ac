import test from 'ava'
import fc from 'fast-check'
import { cosign, cosignedAt as ledgerCosignedAt, parseCosignerKey, readCosigner } from '../../log/cosignature.ts'
import {
  formatVerifierKey,
  generateSigningKey,
  isSignedBy as isLedgerSigned,
  parseCheckpoint as parseLedgerCheckpoint,
  parseVerifierKey,
  readSigner,
  signatureLine
} from '../../log/note.ts'
import { parsePolicy as parseLedgerPolicy } from '../../log/policy.ts'
import * as verifier from '../../verify/notes.ts'
import { newSigner, plainEvents, testLog, testWitnesses } from '../testing/log.ts'
import { cosignedAt, isSignedBy, Malformed, parseCheckpoint, parseKey } from './note.ts'
import { judge, parsePolicy } from './policy.ts'

test('a checkpoint that the ledger signs is read, and its signature is good under its key alone', async (t) => {
  const log = testLog(plainEvents(5))
  const note = parseCheckpoint(log.note())
  t.is(note.size, 5)
  t.is(note.origin, 'test.example/witness')
  t.true(await isSignedBy(note, parseKey(formatVerifierKey(log.signer))))
  t.false(await isSignedBy(note, parseKey(formatVerifierKey(newSigner()))))
  const other = readSigner('other.example/log', generateSigningKey())
  t.false(await isSignedBy(parseCheckpoint(log.note(5, other)), parseKey(formatVerifierKey(other))), 'a key of another log')
  const larger = parseCheckpoint(log.note().replace('\n5\n', '\n6\n'))
  t.false(await isSignedBy(larger, parseKey(formatVerifierKey(log.signer))))
})

test('notes, keys and policies that are none are told so, and nothing else is thrown', (t) => {
  const log = testLog(plainEvents(2))
  const good = [log.note(), formatVerifierKey(log.signer), testWitnesses().policy]
  const readers = [parseCheckpoint, parseKey, parsePolicy]
  for (const [at, text] of good.entries()) {
    t.notThrows(() => readers[at]!(text))
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 2 }), (place, put) => {
        try {
          readers[at]!(text.slice(0, place) + put + text.slice(place + 1))
        } catch (error) {
          t.true(error instanceof Malformed, String(error))
        }
      })
    )
  }
  t.throws(() => parseKey(formatVerifierKey(readCosigner('a.example/seat', generateSigningKey()))), {
    message: /no Ed25519 key of a log/
  })
  const key = formatVerifierKey(log.signer)
  t.throws(() => parseKey(`x${key}`), { message: /does not belong/ })
})

test('policies are taken and refused as the ledger does', (t) => {
  const { policy } = testWitnesses()
  const [a = '', b = '', c = ''] = policy.split('\n')
  const texts = [
    policy,
    `# nothing\n\n${policy}`,
    policy.replaceAll(' ', '\t'),
    policy.replace('2 a b c', 'all a b c'),
    policy.replace('2 a b c', 'any a b c'),
    policy.replace('2 a b c', '4 a b c'),
    policy.replace('2 a b c', '0 a b c'),
    policy.replace('2 a b c', '2 a b a'),
    policy.replace('2 a b c', '2 a b d'),
    policy.replace('group council', 'group a'),
    policy.replace('quorum council', 'quorum none'),
    policy.replace('quorum council', 'quorum nobody'),
    policy.replace('quorum council', ''),
    `${policy}quorum a\n`,
    policy.replace('quorum', 'quorums'),
    `${a}\n${a.replace('witness a', 'witness z')}\nquorum a\n`,
    `${a}\n${b}\n${c}\nquorum b`,
    `${a} http://127.0.0.1:1 more\nquorum a\n`,
    `${policy}\u0000`,
    'quorum none\n',
    `log ${formatVerifierKey(newSigner())}\nquorum none\n`,
    ''
  ]
  const isTaken = (read: (text: string) => unknown, text: string): boolean => {
    try {
      read(text)
      return true
    } catch {
      return false
    }
  }
  const taken = texts.map((text) => isTaken(parsePolicy, text))
  t.deepEqual(
    taken,
    texts.map((text) => isTaken(parseLedgerPolicy, text))
  )
  t.true(taken.includes(true) && taken.includes(false))
})

test('a quorum is met by enough good cosignatures, and a spoiled one does not count', async (t) => {
  const log = testLog(plainEvents(3))
  const { policy, cosigned } = testWitnesses()
  const read = parsePolicy(policy)
  for (const [count, met] of [
    [0, false],
    [1, false],
    [2, true],
    [3, true]
  ] as const) {
    const judged = await judge(read, parseCheckpoint(cosigned(log.note(), count)))
    t.is(judged.quorum, met)
    t.deepEqual(
      judged.witnesses.map(({ timeS }) => timeS),
      [0, 1, 2].map((at) => (at < count ? 1_767_225_600 : null))
    )
  }
  const other = testLog(plainEvents(4), log.signer)
  const moved = log.note() + cosigned(other.note(), 2).slice(other.note().length)
  t.false((await judge(read, parseCheckpoint(moved))).quorum)
  t.is(await cosignedAt(parseCheckpoint(moved), read.witnesses[0]!.key), null)
})

// C2SP signed-note, tlog-checkpoint: three readers, which share no code, and one format
test('ledger, verifier and page take the same for a checkpoint, and the same for signed', async (t) => {
  const signer = newSigner()
  const seat = readCosigner('seat.example/a', generateSigningKey())
  const [vkey, seatKey] = [formatVerifierKey(signer), formatVerifierKey(seat)]
  const note = testLog(plainEvents(3), signer).note()
  const { body } = parseLedgerCheckpoint(note)
  const cosigned = cosign(body, seat, 1_767_225_600)
  const longLine = (name: string) => `— ${name} ${Buffer.alloc(5000, 7).toString('base64')}\n`
  const extended = `${body}an extension\n`
  const sign = (text: string) => `${text}\n${signatureLine(signer, signer.privateKey.sign(Buffer.from(text)))}`
  const judged = async (text: string) => {
    const each = async (signed: () => Promise<boolean> | boolean, seen: () => Promise<number | null> | number | null) => {
      try {
        return [await signed(), await seen()]
      } catch (error) {
        if (!(error instanceof Malformed) && (error as { code?: string }).code !== 'ledger.checkpoint.malformed') throw error
        return 'malformed'
      }
    }
    return [
      await each(
        () => isLedgerSigned(parseLedgerCheckpoint(text), parseVerifierKey(vkey)),
        () => ledgerCosignedAt(parseLedgerCheckpoint(text), parseCosignerKey(seatKey))
      ),
      await each(
        () => verifier.isSignedBy(verifier.readCheckpoint(text), verifier.readVerifierKey(vkey)),
        () => verifier.cosignedAt(verifier.readCheckpoint(text), verifier.readVerifierKey(seatKey, 4))
      ),
      await each(
        () => isSignedBy(parseCheckpoint(text), parseKey(vkey)),
        () => cosignedAt(parseCheckpoint(text), parseKey(seatKey, 4))
      )
    ]
  }
  const timeS = 1_767_225_600
  const spoil = (line: string) =>
    line.replace(/(.)(.{8}\n)$/s, (_, digit: string, rest: string) => (digit === 'A' ? 'B' : 'A') + rest)
  const cases: readonly (readonly [what: string, text: string, expected: unknown])[] = [
    ['one signature', note, [true, null]],
    ['a cosignature', note + cosigned, [true, timeS]],
    [
      'sixteen more of unknown keys, as large as post-quantum ones',
      note + Array.from({ length: 15 }, (_, n) => longLine(`k${n}.example`)).join('') + cosigned,
      [true, timeS]
    ],
    ['an extension line', sign(extended), [true, null]],
    ['an empty line in the text', sign(`${body}\nmore\n`), 'malformed'],
    ['a tab in an extension line', sign(`${body}a\tb\n`), 'malformed'],
    ['a NUL in an extension line', sign(`${body}a\0b\n`), 'malformed'],
    ['a bad signature of the key behind the good one', note + spoil(note.slice(body.length + 1)), [false, null]],
    ['a bad cosignature beside the good one', note + cosigned + spoil(cosigned), [true, null]],
    ['the name of a key with a plus sign', `${note}— a+b AAAAAAAA\n`, 'malformed'],
    ['the name of a key with a space of Unicode', `${note}— a\u0085b AAAAAAAA\n`, 'malformed'],
    ['a signature of no octets', `${note}— a AAAAAA==\n`, 'malformed'],
    ['more than 256 signatures', note + '— a AAAAAAAA\n'.repeat(256), 'malformed'],
    ['more than 131,072 characters', note + longLine('a').repeat(20), 'malformed']
  ]
  for (const [what, text, expected] of cases) t.deepEqual([what, ...(await judged(text))], [what, expected, expected, expected])
})
