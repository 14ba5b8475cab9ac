import { readFileSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { ConfigError } from '#kernel'
import { usualPatience } from './patience.ts'
import { judge, type PolicyFacts } from './policy.ts'
import { readPolicyFile } from './policy-file.ts'

const rulesOf = (text: string) => readPolicyFile(text, 'x.yaml').rules
const noon = Date.UTC(2026, 10, 21, 12)
const facts = (over: Partial<PolicyFacts['task']> & Partial<Omit<PolicyFacts, 'task'>> = {}): PolicyFacts => {
  const { swarm = 'alpha', claims = 0, at = noon, ...task } = over
  return { swarm, claims, at, task: { requires: {}, estimate: null, hazard: null, ...task } }
}
const denied = (when: string, over: Parameters<typeof facts>[0]) =>
  judge(rulesOf(`rules: [{ name: r, action: deny, when: ${when} }]`), facts(over)).verdict === 'deny'

test('each condition, where it holds and where it does not', (t) => {
  const cases: [when: string, over: Parameters<typeof facts>[0], denies: boolean][] = [
    ['{}', {}, true],
    ['{ capability: code }', { requires: { 'code.rust': 0.5 } }, true],
    ['{ capability: code.rust }', { requires: { code: 0.5 } }, false],
    ['{ capability: [law, code] }', { requires: { codex: 0.5 } }, false],
    ['{ swarm: alpha }', {}, true],
    ['{ swarm: [beta, gamma] }', {}, false],
    ['{ notSwarm: alpha }', {}, false],
    ['{ notSwarm: beta }', {}, true],
    ['{ hazard: safety }', { hazard: 'safety' }, true],
    ['{ hazard: safety }', {}, false],
    ['{ costAbove: "0.3" }', { estimate: '0.30' }, false],
    ['{ costAbove: "0.3" }', { estimate: '0.300000000001' }, true],
    ['{ costAbove: "0" }', {}, false],
    ['{ costUnknown: true }', {}, true],
    ['{ costUnknown: true }', { estimate: '1' }, false],
    ['{ levelAbove: 0.5 }', { requires: { law: 0.5, code: 0.4 } }, false],
    ['{ levelAbove: 0.5 }', { requires: { law: 0.6 } }, true],
    ['{ capability: code, levelAbove: 0.5 }', { requires: { law: 0.9, code: 0.4 } }, false],
    ['{ hours: 12:00-12:01 }', {}, true],
    ['{ hours: 11:00-12:00 }', {}, false],
    ['{ hours: 22:00-06:00 }', { at: Date.UTC(2026, 10, 21, 5, 59, 59) }, true],
    ['{ hours: 22:00-06:00 }', { at: Date.UTC(2026, 10, 21, 6) }, false],
    ['{ hours: 22:00-24:00 }', { at: Date.UTC(2026, 10, 21, 23, 59) }, true],
    ['{ swarm: alpha, hazard: safety }', {}, false]
  ]
  for (const [when, over, denies] of cases) t.is(denied(when, over), denies, `${when} ${JSON.stringify(over)}`)
})

test('a limit permits so many claims; the first rule that denies is named, and all are told', (t) => {
  const rules = rulesOf(`
rules:
  - { name: two, action: limit, claims: 2, when: { swarm: alpha } }
  - { name: never, action: deny, reason: because, when: { hazard: safety } }
`)
  t.like(judge(rules, facts({ claims: 1 })), { verdict: 'permit', rule: null })
  t.like(judge(rules, facts({ claims: 2, hazard: 'safety' })), { rule: 'two', reason: 'alpha holds 2 claims of 2' })
  const verdict = judge(rules, facts({ claims: 1, hazard: 'safety' }))
  t.like(verdict, { verdict: 'deny', rule: 'never', reason: 'because' })
  t.deepEqual(
    verdict.rules.map(({ applies, denies }) => [applies, denies]),
    [
      [true, false],
      [true, true]
    ]
  )
  t.like(judge([], facts()), { verdict: 'permit', rules: [] })
})

test('every problem of a file, by line and column', (t) => {
  const text = `rules:
  - name: A b
    action: deny
  - name: one
    action: limit
  - name: one
    action: deny
    claims: 2
    when:
      hours: 25:00-06:00
      costAbove: 12.50
      levelAbove: 2
      color: red
`
  const error = t.throws(() => readPolicyFile(text, 'p.yaml'), { instanceOf: ConfigError })
  t.deepEqual(error!.problems, [
    'line 2, column 11: rules[0].name: expected 1-64 of a-z 0-9 -',
    'line 4, column 5: rules[1]: a limit needs claims: how many a swarm may hold at a time',
    'line 6, column 11: rules[2].name: another rule has this name',
    'line 10, column 14: rules[2].when.hours: expected hours of the day (UTC), such as 22:00-06:00',
    'line 11, column 18: rules[2].when.costAbove: expected US dollars as an exact decimal in quotes, such as "12.50"',
    'line 12, column 19: rules[2].when.levelAbove: Too big: expected number to be <=1',
    'line 13, column 14: rules[2].when.color: unknown field'
  ])
  for (const bad of ['', 'rules: 1', '[', 'rules:\n\t- x', '- a', `rules: [] # ${'x'.repeat(70_000)}`])
    t.throws(() => readPolicyFile(bad, 'p'), { code: 'config.invalid' }, bad.slice(0, 20))
})

test('whatever the file, it is read or its problems are told', (t) => {
  const word = fc.constantFrom(
    'rules',
    'name',
    'action',
    'deny',
    'when',
    'a',
    ':',
    ' ',
    '\n',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '&a',
    '*a',
    '"'
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      try {
        readPolicyFile(words.join(''), 'p')
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
      }
    })
  )
  t.pass()
})

test('patience: minutes and shares, each with a default; nothing where nothing is said', (t) => {
  const of = (text: string) => readPolicyFile(text, 'p').patience
  t.is(of('rules: []'), null)
  t.deepEqual(of('{ rules: [], patience: {} }'), usualPatience)
  t.deepEqual(of('{ rules: [], patience: { minutes: 0.5, first: 0.8 } }'), { ...usualPatience, mostMs: 30_000, first: 0.8 })
  t.deepEqual(of('{ rules: [], patience: { minutes: 0 } }'), { ...usualPatience, mostMs: 0 })
  const error = t.throws(() => of('rules: []\npatience:\n  minutes: -1\n  ofDeadline: 2\n  first: high\n  last: 1\n'), {
    instanceOf: ConfigError
  })
  t.deepEqual(error!.problems, [
    'line 3, column 12: patience.minutes: expected minutes, 0 to 1440',
    'line 4, column 15: patience.ofDeadline: expected a share of the time to the deadline, 0 to 1',
    'line 5, column 10: patience.first: expected what is asked at first, 0 to 1',
    'line 6, column 9: patience.last: unknown field'
  ])
})

test('the example is a good policy', (t) => {
  const { rules, patience, hash } = readPolicyFile(
    readFileSync(new URL('policy.example.yaml', import.meta.url), 'utf8'),
    'example'
  )
  t.is(rules.length, 3)
  t.deepEqual(patience, usualPatience)
  t.regex(hash, /^[0-9a-f]{64}$/)
})
