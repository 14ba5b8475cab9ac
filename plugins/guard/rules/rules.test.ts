import { createRequire } from 'node:module'
import test from 'ava'
import fc from 'fast-check'
import { ConfigError, type JsonObject } from '#kernel'
import { callFacts } from '../policies/facts.ts'
import { compileCondition } from './compile.ts'
import { defaultRules, readRules, shippedFactSchema } from './rule-file.ts'
import { type Judgement, judge, parseRules, surroundings } from './rules.ts'
import { parseRuleText } from './syntax.ts'
import { cedarSchema, type FactSchema, type Facts } from './types.ts'

// The reference implementation, made of the verified one in Rust. Not loaded by the suite itself: docs/decisions.md says why.
const cedar: typeof import('@cedar-policy/cedar-wasm') = createRequire(import.meta.url)('@cedar-policy/cedar-wasm/nodejs')

const schema: FactSchema = {
  ...callFacts,
  x: {
    record: {
      a: 'long',
      b: 'long',
      yes: 'bool',
      text: 'string',
      names: { set: 'string' },
      numbers: { set: 'long' },
      address: 'ip'
    }
  }
}

const facts = (x: JsonObject): Facts => ({
  party: {
    id: 'expert-safety',
    known: true,
    role: 'expert',
    organisation: 'Advisory',
    specialisations: ['safety'],
    contrarian: false,
    certificateDemanded: false,
    signatureDemanded: false
  },
  request: {
    direction: 'inbound',
    method: 'INVITE',
    from: 'sip:a@b',
    to: 'sip:council@c',
    hazard: 'safety',
    signed: false,
    identities: 0,
    bodyBytes: 9
  },
  edge: {
    sourceAddress: '192.0.2.7',
    transport: 'tls',
    tlsVersion: 'TLSv1.3',
    tlsCipher: 'c',
    certificateIdentity: '',
    authenticatedUser: 'expert-safety',
    digestAlgorithm: 'SHA-256'
  },
  time: { date: '2026-01-01', hour: 12, minuteOfDay: 721, weekday: 4 },
  x
})

const allThere = (group: string): void => {
  throw new Error(`nothing should be established, ${group} was asked for`)
}

/** What Cedar's own implementation says. */
function reference(policies: string, given: Facts, of: FactSchema): 'allow' | 'deny' {
  const asCedar = (value: unknown, type: unknown): unknown => {
    if (type === 'ip') return { __extn: { fn: 'ip', arg: value } }
    if (typeof type !== 'object' || type === null || !('record' in type)) return value
    const record = type.record as Record<string, unknown>
    return Object.fromEntries(Object.entries(value as object).map(([name, each]) => [name, asCedar(each, record[name])]))
  }
  const { party, request } = given as { party: JsonObject; request: JsonObject }
  const uid = (type: string, id: unknown) => ({ type, id: String(id) })
  const answer = cedar.isAuthorized({
    principal: uid('Party', party.id),
    action: uid('Action', request.direction),
    resource: uid('Hazard', request.hazard),
    context: asCedar(given, { record: of }) as never,
    policies: { staticPolicies: policies },
    entities: [
      { uid: uid('Party', party.id), attrs: {}, parents: [uid('Role', party.role), uid('Organisation', party.organisation)] }
    ]
  })
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors))
  if (answer.response.diagnostics.errors.length > 0) throw new Error(JSON.stringify(answer.response.diagnostics.errors))
  return answer.response.decision
}

const condition = (text: string, x: JsonObject = {}): boolean => {
  const { rules, problems } = parseRuleText(`permit (principal, action, resource) when { ${text} };`)
  if (problems.length > 0) throw new Error(problems[0]!.text)
  const compiled = compileCondition(rules[0]!.conditions[0]!, schema)
  if (!('holds' in compiled)) throw new Error(compiled.text)
  return compiled.holds(surroundings(facts(x)))
}

const example: JsonObject = {
  a: 7,
  b: -3,
  yes: true,
  text: 'sip:council-safety@c',
  names: ['one', 'two'],
  numbers: [1, 2, 2],
  address: '10.1.2.3'
}

/** Each line is true with `example`, for us and for Cedar. */
const truths = `
  true && !false
  context.x.yes && context.x.a == 7
  context.x.a + context.x.b * 2 == 1
  -context.x.b - 3 == 0
  context.x.a > 6 && context.x.a >= 7 && context.x.b < 0 && context.x.b <= -3
  !(context.x.a != 7) || false
  context.x.text like "sip:council-*@c"
  context.x.text like "*safety*"
  context.x.text like "*"
  !(context.x.text like "sip:council")
  !(context.x.text like "sip:council-s*s*y@c*d")
  "a*b" like "a\\\\*b" && !("axb" like "a\\\\*b")
  context.x.names.contains("one") && !context.x.names.contains("three")
  context.x.names.containsAll(["two"]) && context.x.names.containsAny(["two", "three"]) && !context.x.names.isEmpty()
  context.x.numbers == [2, 1] && context.x.numbers != [1]
  ["one"].contains("one") && [1, 2,].contains(2) && [].isEmpty()
  context["x"]["a"] == 7
  context.x.address.isInRange(ip("10.0.0.0/8")) && !context.x.address.isInRange(ip("2001:db8::/32"))
  context.x.address == ip("10.1.2.3") && ip("10.1.2.4") != context.x.address
  context.x.address.isIpv4() && !context.x.address.isIpv6() && !context.x.address.isLoopback() && !context.x.address.isMulticast()
  if context.x.yes then context.x.a == 7 else context.x.b == 7
  (if context.x.a < 0 then 1 else 2) == 2
  principal == Party::"expert-safety" && action == Action::"inbound" && resource == Hazard::"safety"
  principal in Role::"expert" && !(principal in Role::"guardian") && principal in [Role::"guardian", Organisation::"Advisory"]
  resource in [Hazard::"bias", Hazard::"safety"] && principal in principal
  "tab\\tquote\\"\\u{e9}\\x41\\'" == "tab	quote\\u{22}éA'"
  // a comment
  !!true && - -context.x.a == 7`
  .split('\n')
  .map((line) => line.trim().replaceAll('\\\\', '\\'))
  .filter((line) => line !== '' && !line.startsWith('//'))

for (const truth of truths)
  test(`true for us and for Cedar: ${truth}`, (t) => {
    t.true(condition(truth, example))
    t.is(reference(`permit (principal, action, resource) when { ${truth} };`, facts(example), schema), 'allow')
    t.is(reference(`permit (principal, action, resource) unless { ${truth} };`, facts(example), schema), 'deny')
  })

const bool: fc.Arbitrary<string> = fc.letrec<{ bool: string; long: string; text: string; names: string }>((tie) => ({
  bool: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('true', 'false', 'context.x.yes', 'principal in Role::"expert"', 'context.x.address.isLoopback()'),
    fc.tuple(tie('bool'), fc.constantFrom('&&', '||'), tie('bool')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('bool').map((a) => `!(${a})`),
    fc.tuple(tie('bool'), tie('bool'), tie('bool')).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
    fc
      .tuple(tie('long'), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), tie('long'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('text'), fc.constantFrom('==', '!='), tie('text')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc.tuple(tie('text'), fc.stringMatching(/^[ab*]{0,5}$/)).map(([a, pattern]) => `(${a} like "${pattern}")`),
    fc.tuple(tie('names'), tie('text')).map(([a, b]) => `${a}.contains(${b})`),
    fc
      .tuple(tie('names'), fc.constantFrom('containsAll', 'containsAny'), tie('names'))
      .map(([a, method, b]) => `${a}.${method}(${b})`),
    fc
      .constantFrom('10.0.0.0/8', '10.1.2.3', '::1', 'fe80::/10', '0.0.0.0/0')
      .map((range) => `context.x.address.isInRange(ip("${range}"))`)
  ),
  long: fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: 0, max: 9 }).map(String),
    fc.constantFrom('context.x.a', 'context.x.b', 'context.time.hour'),
    fc.tuple(tie('long'), fc.constantFrom('+', '-', '*'), tie('long')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('long').map((a) => `(-(${a}))`)
  ),
  text: fc.oneof(
    fc.stringMatching(/^[ab*]{0,4}$/).map((text) => JSON.stringify(text)),
    fc.constant('context.x.text')
  ),
  names: fc.oneof(
    fc.constant('context.x.names'),
    fc.array(fc.stringMatching(/^[ab]{0,2}$/), { minLength: 1, maxLength: 3 }).map((items) => JSON.stringify(items))
  )
})).bool

const values = fc.record({
  a: fc.integer({ min: -9, max: 9 }),
  b: fc.integer({ min: -9, max: 9 }),
  yes: fc.boolean(),
  text: fc.stringMatching(/^[ab*]{0,6}$/),
  names: fc.array(fc.stringMatching(/^[ab]{0,2}$/), { maxLength: 3 }),
  numbers: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  address: fc.constantFrom('10.1.2.3', '127.0.0.1', '::1', 'fe80::1', '2001:db8::7', '224.0.0.1')
})

test('any rules over any facts: the same verdict as Cedar’s', async (t) => {
  const effects = fc.constantFrom('permit', 'forbid')
  const some = fc.array(fc.tuple(effects, fc.constantFrom('when', 'unless'), bool), { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(some, values, async (written, x) => {
      const text = written
        .map(([effect, word, test], at) => {
          const more = effect === 'forbid' ? '@code("guard.rule.test") @reason("r")' : ''
          return `@id("r${at}") ${more} ${effect} (principal, action, resource) ${word} { ${test} };`
        })
        .join('\n')
      const rules = parseRules(`${text} @id("never") permit (principal, action, resource) when { false };`, 'test', schema, [])
      const ours = await judge(rules, surroundings(facts(x)), allThere)
      t.is(ours.verdict, reference(text, facts(x), schema) === 'allow' ? 'approve' : 'reject', text)
    }),
    { numRuns: 300 }
  )
})

test('the rules of the suite are valid Cedar for the facts there are', (t) => {
  const answer = cedar.validate({
    schema: cedarSchema(shippedFactSchema()),
    policies: { staticPolicies: defaultRules() },
    validationSettings: { mode: 'strict' }
  })
  t.like(answer, { type: 'success', validationErrors: [] })
})

const problemsOf = (text: string): readonly string[] => {
  try {
    readRules(text, 'x.cedar')
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

const good = defaultRules()

const mistakes: readonly (readonly [what: string, text: string, problem: RegExp])[] = [
  [
    'a fact that is not there',
    `${good}\n@id("x") permit (principal, action, resource) when { context.edge.colour == "red" };`,
    /^line 36: no fact "colour"; there are sourceAddress, transport/
  ],
  [
    'a group that is not there',
    '@id("x")\npermit (principal, action, resource) when {\n context.weather.rain };',
    /^line 3: no fact "weather"/
  ],
  [
    'another type',
    '@id("x") permit (principal, action, resource)\nwhen { context.time.hour == "9" };',
    /^line 2: a number is never equal to a text/
  ],
  [
    'no truth value',
    '@id("x") permit (principal, action, resource) when { context.time.hour };',
    /^line 1: expected a truth value, this is a number/
  ],
  [
    'a forbid without a reason',
    '@id("x")\n@code("guard.rule.x")\nforbid (principal, action, resource);',
    /^line 1: a forbid has @code and @reason, or @finding/
  ],
  [
    'a code of another form',
    '@id("x") @code("Nein!") @reason("r") forbid (principal, action, resource);',
    /^line 1: expected a code such as/
  ],
  ['no id', 'permit (principal, action, resource);', /^line 1: expected @id/],
  [
    'an id given twice',
    '@id("x") permit (principal, action, resource);\n@id("x") permit (principal, action, resource);',
    /^line 2: @id\("x"\) is that of line 1/
  ],
  [
    'an annotation that is not known',
    '@id("x")\n@resaon("r")\npermit (principal, action, resource);',
    /^line 2: unknown annotation @resaon/
  ],
  [
    'a finding of nobody',
    '@id("x") @finding("weather") forbid (principal, action, resource);',
    /^line 1: no policy "weather" is asked/
  ],
  [
    'no semicolon',
    '@id("x") permit (principal, action, resource)\n@id("y") permit (principal, action, resource);',
    /^line 2: expected ; before @/
  ],
  ['a text that does not end', '@id("x', /^line 1: unexpected "\\""/],
  [
    'chained comparisons',
    '@id("x") permit (principal, action, resource) when { 1 < 2 < 3 };',
    /^line 1: comparisons do not chain/
  ],
  [
    'a part of Cedar that is not known',
    '@id("x") permit (principal, action, resource) when { context has edge };',
    /^line 1: has is not among/
  ],
  [
    'a range where one address is meant',
    '@id("x") permit (principal, action, resource) when { context.edge.sourceAddress == ip("10.0.0.0/8") };',
    /^line 1: an address is never equal to a range/
  ],
  [
    'no address',
    '@id("x") permit (principal, action, resource) when { context.edge.sourceAddress.isInRange(ip("10.0.0.0/33")) };',
    /^line 1: .*at most 32 bits/
  ],
  [
    'nesting without end',
    `@id("x") permit (principal, action, resource) when { ${'('.repeat(5_000)} };`,
    /^line 1: nested deeper than 64/
  ],
  [
    'a chain without end',
    `@id("x") permit (principal, action, resource) when { true${' && true'.repeat(5_000)} };`,
    /^line 1: more than 500 operators/
  ],
  ['a file without end', ' '.repeat(300_000), /^larger than/],
  ['nothing', '', /no permit/],
  [
    'a number that is too large',
    '@id("x") permit (principal, action, resource) when { 99999999999999999 == 1 };',
    /^line 1: 99999999999999999 is too large/
  ],
  [
    'a policy that nothing reads',
    '@id("x") permit (principal, action, resource) when { context.registered.verdict == "pass" };',
    /^no rule reads what the policy specialisation says/
  ]
]

for (const [what, text, problem] of mistakes)
  test(`a mistake is told with its line: ${what}`, (t) => {
    const problems = problemsOf(text)
    t.true(
      problems.some((each) => problem.test(each)),
      JSON.stringify(problems)
    )
  })

test('every mistake of a file is told at once, in the order of the file', (t) => {
  const problems = problemsOf(
    '@id("a") permit (principal, action);\n@id("b") permit (principal, action, resource) when { 1 };\nhello;'
  )
  t.deepEqual(
    problems.map((problem) => problem.split(':')[0]),
    ['line 1', 'line 2', 'line 3']
  )
})

test('rubbish never makes the reader throw anything but problems', (t) => {
  const piece = fc.constantFrom(
    'permit',
    'forbid',
    '(',
    ')',
    '{',
    '}',
    'when',
    '@id("x")',
    '"',
    '\\',
    ';',
    'context.x',
    '.',
    '::',
    'ip("',
    '1',
    '\n',
    'é',
    '\u0000'
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      problemsOf(pieces.join(' '))
    }),
    { numRuns: 500 }
  )
  t.pass()
})

test('facts are established when the first rule asks for them, and no later rule is asked than need be', async (t) => {
  const text = `
    @id("one") @code("guard.rule.one") @reason("one") forbid (principal, action, resource) when { context.time.hour == 12 };
    @id("two") @finding("signature") forbid (principal, action, resource) when { context.signature.verdict == "deny" };
    @id("p") permit (principal, action, resource) when { context.registered.verdict == "pass" && context.x.yes };`
  const all = { ...schema, signature: shippedFactSchema().signature!, registered: shippedFactSchema().registered! }
  const rules = parseRules(text, 'test', all, ['signature', 'registered'])
  const ask = async (hour: number): Promise<{ judgement: Judgement; asked: string[] }> => {
    const asked: string[] = []
    const given: Record<string, JsonObject> = { ...facts(example), time: { date: '', hour, minuteOfDay: 0, weekday: 1 } }
    const judgement = await judge(rules, surroundings(given), async (group) => {
      asked.push(group)
      given[group] = { verdict: 'pass', code: `guard.${group}.good`, reason: '', attack: false }
    })
    return { judgement, asked }
  }
  t.deepEqual(await ask(12), {
    judgement: { verdict: 'reject', rule: 'one', code: 'guard.rule.one', reason: 'one', attack: false },
    asked: []
  })
  t.like(await ask(11), { judgement: { verdict: 'approve', rule: 'p' }, asked: ['signature', 'registered'] })
})

test('a number beyond what can be counted refuses the call', async (t) => {
  const rules = parseRules(
    '@id("p") permit (principal, action, resource) when { context.x.a * context.x.a > 0 };',
    'test',
    schema,
    []
  )
  const around = surroundings(facts({ ...example, a: Number.MAX_SAFE_INTEGER }))
  t.like(await judge(rules, around, allThere), { verdict: 'reject', code: 'guard.policy.failed', rule: 'p' })
})
