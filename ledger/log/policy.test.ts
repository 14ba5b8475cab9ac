import test from 'ava'
import fc from 'fast-check'
import { cosign, readCosigner } from './cosignature.ts'
import { formatVerifierKey, generateSigningKey, parseCheckpoint, readSigner, signCheckpoint } from './note.ts'
import { isQuorum, judgeCheckpoint, nameText, noPolicy, parsePolicy } from './policy.ts'

const signer = readSigner('log.example/a', generateSigningKey())
const seats = Array.from({ length: 6 }, (_, at) => readCosigner(`seat.example/${at}`, generateSigningKey()))
const keys = seats.map(formatVerifierKey)
const text = `# two houses
log ${formatVerifierKey(signer)}
witness X1 ${keys[0]} http://127.0.0.1:1/x
\twitness  X2\t${keys[1]}
witness X3 ${keys[2]}
group X 2 X1 X2 X3

witness Y1 ${keys[3]}
witness Y2 ${keys[4]}
group Y any Y1 Y2
group both all X Y
quorum both
`

test('a policy of two levels asks for what it says', (t) => {
  const policy = parsePolicy(text)
  t.is(policy.witnesses[0]?.url, 'http://127.0.0.1:1/x')
  const met = (...names: string[]) => isQuorum(policy, new Set(names))
  t.true(met('X1', 'X3', 'Y2'))
  t.false(met('X1', 'X2', 'X3'))
  t.false(met('X1', 'Y1', 'Y2'))
  t.false(met('both', 'X'), 'a name that is no cosigner stands for nothing')
  t.true(isQuorum(noPolicy, new Set()))
})

test('a checkpoint is judged by good signatures alone', (t) => {
  const policy = parsePolicy(text)
  const note = signCheckpoint({ origin: 'log.example/a', size: 1, root: Buffer.alloc(32, 1) }, signer)
  const { body } = parseCheckpoint(note)
  const by = (...numbers: number[]) => parseCheckpoint(note + numbers.map((at) => cosign(body, seats[at]!, 100 + at)).join(''))
  t.deepEqual(judgeCheckpoint(policy, by(0, 1, 4)), {
    logSigned: true,
    cosigned: new Map([
      ['X1', 100],
      ['X2', 101],
      ['Y2', 104]
    ]),
    quorum: true
  })
  t.false(judgeCheckpoint(policy, by(0, 4, 5)).quorum, 'a seat that the policy does not know counts for nothing')
  const forged = parseCheckpoint(
    note + cosign(`${body}x`, seats[0]!, 1) + cosign(body, seats[1]!, 1) + cosign(body, seats[3]!, 1)
  )
  t.false(judgeCheckpoint(policy, forged).quorum)
  const foreign = signCheckpoint(
    { origin: 'log.example/a', size: 1, root: Buffer.alloc(32, 1) },
    readSigner('log.example/a', generateSigningKey())
  )
  t.false(judgeCheckpoint(policy, parseCheckpoint(foreign)).logSigned)
})

const w = `witness A ${keys[0]}\n`
const bad: Record<string, string> = {
  'no quorum line': w,
  'a second quorum': `${w}quorum A\nquorum A\n`,
  'not defined before this line': `quorum A\n${w}`,
  'is not defined before': `${w}group G all A B\nquorum G\n`,
  'is a member twice': `${w}group G any A\ngroup H any A\nquorum G\n`,
  'is taken': `${w}witness A ${keys[1]}\nquorum A\n`,
  'the name none': `witness none ${keys[1]}\nquorum none\n`,
  'expected all, any or a number': `${w}group G 2 A\nquorum G\n`,
  'got 0': `${w}group G 0 A\nquorum G\n`,
  'the same public key': `${w}witness B ${keys[0]}\nquorum A\n`,
  'not an Ed25519 key for cosignatures': `witness A ${formatVerifierKey(signer)}\nquorum A\n`,
  'expected: group': `${w}group G all\nquorum G\n`,
  'expected log, witness, group or quorum': `logs\nquorum none\n`,
  'a control character': `${w}quorum A\r\n`,
  'expected: quorum': 'quorum none none\n'
}
for (const [problem, policy] of Object.entries(bad)) {
  test(`refused, by line: ${problem}`, (t) => {
    const error = t.throws(() => parsePolicy(policy))
    t.like(error, { code: 'ledger.policy.malformed' })
    t.true(error?.message.includes(problem), error?.message)
  })
}

test('names are octets: a Kelvin sign is no K', (t) => {
  const kelvin = Buffer.from(`witness \u212a ${keys[0]}\nquorum K\n`)
  t.throws(() => parsePolicy(kelvin), { message: /K is not defined/ })
  t.is(nameText(parsePolicy(Buffer.from(`witness \u212a ${keys[0]}\nquorum none\n`)).witnesses[0]!.name), '\u212a')
  t.is(parsePolicy(Buffer.from(`witness K ${keys[0]}\nquorum K\n`)).quorum, 'K')
})

test('any octets give a policy or an error that names a line', (t) => {
  const words = fc.constantFrom(
    'log',
    'witness',
    'group',
    'quorum',
    'none',
    'any',
    'all',
    '1',
    'A',
    'B',
    keys[0]!,
    '\n',
    '\n',
    '#'
  )
  const run = (input: Uint8Array | string) => {
    try {
      parsePolicy(input)
    } catch (error) {
      t.like(error, { code: 'ledger.policy.malformed' })
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), run), { seed: 1 })
  fc.assert(
    fc.property(
      fc.array(words, { maxLength: 30 }).map((list) => list.join(' ')),
      run
    ),
    { seed: 2 }
  )
  t.pass()
})
