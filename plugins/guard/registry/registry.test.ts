import { readFile } from 'node:fs/promises'
import test from 'ava'
import { ConfigError, defaultHazards } from '#kernel'
import { generateKeyPair } from '../signature/keys.ts'
import { parseRegistry } from './registry.ts'
import { registryJsonSchema } from './schema.ts'

const read = (text: string) => parseRegistry(text, 'experts.yaml', defaultHazards)
const problemsOf = (text: string): readonly string[] => {
  try {
    read(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
const beside = (name: string) => readFile(new URL(name, import.meta.url), 'utf8')

test('the example registry holds the three seed experts and two Guardians', async (t) => {
  const registry = read(await beside('../experts.example.yaml'))
  const seeds = registry.parties
    .filter(({ role }) => role === 'expert')
    .map(({ uri, specialisations }) => [uri, ...specialisations])
  t.deepEqual(seeds, [
    ['sip:expert-safety@external.advisor', 'safety', 'alignment'],
    ['sip:expert-ethics@external.advisor', 'ethics', 'bias'],
    ['sip:expert-security@external.advisor', 'security', 'privacy']
  ])
  t.is(registry.parties.filter(({ role }) => role === 'guardian').length, 2)
})

test('the JSON Schema file is in step with the schema', async (t) => {
  t.deepEqual(JSON.parse(await beside('registry.schema.json')), JSON.parse(JSON.stringify(registryJsonSchema())))
})

test('parties are found by id, URI and specialisation', (t) => {
  const { publicKey, keyId } = generateKeyPair()
  const registry = read(`
experts:
  - {id: a, uri: 'sip:A@example.org', organisation: O, specialisations: [bias, ethics], digestUser: ua, publicKey: ${publicKey}}
  - {id: b, uri: 'sip:b@example.org', organisation: O, specialisations: [ethics], digestUser: ub}
`)
  const a = registry.byId('a')
  t.is(a?.signature, 'optional')
  t.is(registry.byUri('sips:A@EXAMPLE.ORG:5061;transport=tls'), a)
  t.is(registry.byUri('sip:a@example.org'), undefined)
  t.is(registry.byUri('nonsense'), undefined)
  t.is(a?.digestUser, 'ua')
  t.is(a?.key?.id, keyId)
  t.deepEqual(
    registry.bySpecialisation('ethics').map(({ id }) => id),
    ['a', 'b']
  )
  t.deepEqual(registry.bySpecialisation('safety'), [])
  t.is(registry.byId('constructor'), undefined)
})

test('every problem is reported at once, with line and path', (t) => {
  const { publicKey } = generateKeyPair()
  const text = `experts:
  - id: a
    uri: sip:a@example.org
    organisation: O
    specialisations: [ethics, nonsense]
    digestUser: ua
    signature: required
  - id: a
    uri: sip:a@EXAMPLE.org:5060
    organisation: O
    specialisations: [ethics, ethics]
    digestUser: ua
    publicKey: ${publicKey}
  - id: c
    uri: sip:c@example.org;transport=tcp
    organisation: O
    specialisations: [bias]
    digestUser: uc
    publicKey: ${publicKey}
guardians:
  - id: g
    uri: tel:+431
    digestUser: ug
    publicKey: AAAA
`
  t.deepEqual(problemsOf(text), [
    'line 5: experts[0].specialisations[1]: unknown hazard; known are safety, alignment, ethics, bias, security, privacy',
    'line 7: experts[0].signature: required, but there is no publicKey to verify it with',
    'line 8: experts[1].id: already used by experts[0]',
    'line 9: experts[1].uri: already used by experts[0]',
    'line 11: experts[1].specialisations[1]: given twice',
    'line 12: experts[1].digestUser: already used by experts[0]',
    'line 15: experts[2].uri: URI parameters have no place in an identity',
    'line 19: experts[2].publicKey: already used by experts[1]',
    'line 22: guardians[0].uri: expected a SIP URI with a user, such as sip:expert@example.org',
    'line 24: guardians[0].publicKey: expected 43 characters of base64url, a raw 32-byte Ed25519 public key'
  ])
})

test('a file of the wrong shape is described by line and path', (t) => {
  const problems = problemsOf(`experts:
  - id: Bad Id
    uri: sip:a@example.org
    specialisations: []
    digestUser: 7
    secret: hunter2
gardians: []
`)
  t.is(problems.length, 6)
  t.regex(problems[0]!, /^line 2: experts\[0\]/)
  t.true(
    problems.includes('line 6: experts[0].secret: unknown field') ||
      problems.some((text) => /experts\[0\]\.secret: unknown field$/.test(text))
  )
  t.true(problems.some((text) => /gardians: unknown field$/.test(text)))
  t.true(problems.some((text) => /experts\[0\]\.organisation/.test(text)))
  t.false(problems.join().includes('hunter2'))
})

test('what is no YAML, no registry or too much is refused', (t) => {
  t.regex(problemsOf('experts: [')[0]!, /^line 1: /)
  t.regex(problemsOf('experts: []\nexperts: []\n')[0]!, /^line 2: /)
  t.true(problemsOf('').length > 0)
  t.true(problemsOf('- 1').length > 0)
  t.regex(problemsOf(`# ${'x'.repeat(4 * 1024 * 1024)}`)[0]!, /larger than/)
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((name, at) => {
      const before = 'abcdefg'[at]
      return `${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`
    })
  ].join('\n')
  t.true(problemsOf(bomb).length > 0)
})
