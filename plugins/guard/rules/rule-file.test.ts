import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { ConfigError, type JsonObject } from '#kernel'
import {
  askRow,
  canonicalJson,
  createGuard,
  defaultRules,
  engineVersion,
  type GuardConfig,
  keepRules,
  keptRules,
  parseRuleTable,
  type RuleChange,
  readRules,
  replay,
  shippedFactSchema
} from '../guard.ts'
import { context, openBench, request, signed } from '../testing/fixtures.ts'
import { cedarSchema } from './types.ts'

const beside = (name: string) => readFile(new URL(name, import.meta.url), 'utf8')
const settle = () => new Promise((resolve) => setTimeout(resolve, 30))

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'guard-rules-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const table = parseRuleTable(await beside('guard.table.yaml'), 'guard.table.yaml', shippedFactSchema())
for (const row of table)
  test(`the rules of the suite: ${row.name}`, async (t) => {
    const outcome = await askRow(readRules(defaultRules(), 'guard.cedar'), row)
    t.true(outcome.ok, JSON.stringify({ ...outcome, row: row.expect }))
  })

test('every forbid of the suite decides in some row of the table', async (t) => {
  const rules = readRules(defaultRules(), 'guard.cedar')
  const decided = new Set((await Promise.all(table.map((row) => askRow(rules, row)))).map(({ rule }) => rule))
  for (const { id } of [...rules.forbids, ...rules.permits]) t.true(decided.has(id), id)
})

test('the schema for Cedar’s editors is that of the facts', async (t) => {
  t.is(await beside('guard.cedarschema'), cedarSchema(shippedFactSchema()))
})

test('every problem of a table is told with its line', (t) => {
  const problems = (text: string): readonly string[] => {
    const error = t.throws(() => parseRuleTable(text, 'x.yaml', shippedFactSchema()), { instanceOf: ConfigError })
    return error.problems
  }
  t.deepEqual(
    problems(
      'rows:\n  - name: x\n    facts:\n      edge: { colour: red }\n      wind: { n: 1 }\n      time: { hour: "9" }\n    expect: { verdict: reject }\n'
    ),
    ['line 4: edge.colour: no such fact', 'line 5: no facts "wind"', 'line 6: time.hour: of another type']
  )
  t.regex(problems('rows:\n  - name: x\n    expect: { verdict: maybe }\n')[0]!, /^line 3: rows\.0\.expect\.verdict/)
  t.regex(problems('rows: [')[0]!, /^line 1: /)
})

test('the rule in the README is one', async (t) => {
  const [, example] = /```cedar\n([\s\S]*?)```/.exec(await beside('../README.md'))!
  t.notThrows(() => readRules(defaultRules() + example, 'README.md'))
})

const night = `
@id("night") @code("guard.rule.night") @reason("nobody is rung at night") @attack
forbid (principal in Role::"expert", action, resource)
when { context.time.hour < 6 && !context.party.contrarian && !context.edge.sourceAddress.isLoopback() };
`

test('rules of the operator: time of day, role, contrarian, address', async (t) => {
  await withFolder(async (folder) => {
    const rulesPath = join(folder, 'rules.cedar')
    await writeFile(rulesPath, defaultRules() + night)
    const bench = await openBench({ rulesPath })
    const at = (hour: number, change = {}) =>
      bench.guard.decide(context(), {
        ...request(bench.clock, change),
        edge: { ...request(bench.clock).edge, sourceAddress: '203.0.113.9' },
        receivedAt: Date.UTC(2026, 0, 5, hour)
      })
    t.like(await at(3), { verdict: 'reject', code: 'guard.rule.night', reason: 'nobody is rung at night', security: true })
    t.like(await at(6), { verdict: 'approve' })
    t.like(await bench.guard.decide(context(), { ...request(bench.clock), receivedAt: Date.UTC(2026, 0, 5, 3) }), {
      verdict: 'approve'
    })
    const { registryPath } = bench
    await writeFile(
      registryPath,
      (await readFile(registryPath, 'utf8')).replace('id: expert-ethics', 'id: expert-ethics\n    contrarian: true')
    )
    t.true((await bench.guard.reload()).ok)
    t.like(await at(3), { verdict: 'approve' }, 'who contradicts is rung at night, too')
    const { receipt } = await at(3)
    t.deepEqual((receipt!.facts as { time: JsonObject }).time, { date: '2026-01-05', hour: 3, minuteOfDay: 180, weekday: 1 })
    await bench.close()
  })
})

test('what is refused by cheap facts costs no signature', async (t) => {
  const bench = await openBench()
  const call = signed(bench.keys.safety, request(bench.clock, { fromUri: 'sip:expert-safety@external.advisor', hazard: 'bias' }))
  const { code, findings } = await bench.guard.decide(context(), call)
  t.is(code, 'guard.specialisation.mismatch')
  t.deepEqual(
    findings.map(({ policy }) => policy),
    ['registered', 'specialisation']
  )
  t.is((await bench.guard.decide(context(), { ...call, hazard: 'safety', signature: null })).code, 'guard.signature.missing')
  await bench.close()
})

async function following(
  t: ExecutionContext,
  run: (bench: Awaited<ReturnType<typeof openBench>>, rulesPath: string, told: RuleChange[], folder: string) => Promise<void>,
  more: Partial<GuardConfig> = {}
): Promise<void> {
  await withFolder(async (folder) => {
    const rulesPath = join(folder, 'rules.cedar')
    await writeFile(rulesPath, defaultRules())
    const told: RuleChange[] = []
    const bench = await openBench({ rulesPath, onRules: (change) => void told.push(change), ...more })
    await run(bench, rulesPath, told, folder)
    await bench.close()
    t.is(bench.clock.pending(), 0)
  })
}

test('a changed rule file comes into force by itself; a bad one keeps the old rules, and both are told', async (t) => {
  await following(t, async ({ guard, clock }, rulesPath, told) => {
    const first = guard.rules().hash
    t.deepEqual(told, [{ state: 'loaded', hash: first, previous: null }])
    const closed = `${defaultRules()}\n@id("closed") @code("guard.rule.closed") @reason("closed") forbid (principal, action, resource);\n`
    await writeFile(`${rulesPath}.new`, closed)
    await rename(`${rulesPath}.new`, rulesPath)
    for (let look = 0; look < 20 && told.length < 2; look++) {
      clock.advance(1_000)
      await settle()
    }
    const second = guard.rules().hash
    t.deepEqual(told[1], { state: 'loaded', hash: second, previous: first })
    t.is((await guard.decide(context(), request(clock))).code, 'guard.rule.closed')

    await writeFile(rulesPath, `${closed}\npermit (oops);`)
    t.regex((await guard.reloadRules())[0]!, /^line 38: /)
    t.like(told[2], { state: 'refused', hash: second })
    t.is(guard.rules().hash, second)
    t.is(guard.ruleProblems().length, 1)
    t.is((await guard.decide(context(), request(clock))).receipt!.policy, second)

    await rm(rulesPath)
    t.deepEqual(await guard.reloadRules(), ['cannot be read (ENOENT)'])
    t.is(guard.rules().hash, second)
    await writeFile(rulesPath, closed)
    t.deepEqual(await guard.reloadRules(), [])
    t.is(told.length, 4, 'the same rules again are no change')
  })
})

test('rules that cannot be kept do not come into force', async (t) => {
  let isFull = false
  const keep = () => {
    if (isFull) throw new Error('ENOSPC')
  }
  await following(
    t,
    async ({ guard }, rulesPath) => {
      const { hash } = guard.rules()
      isFull = true
      await writeFile(rulesPath, defaultRules() + night)
      t.deepEqual(await guard.reloadRules(), ['cannot be kept: ENOSPC'])
      t.is(guard.rules().hash, hash)
    },
    { keepRules: keep }
  )
})

test('a guard does not start on rules that are bad', async (t) => {
  await withFolder(async (folder) => {
    const rulesPath = join(folder, 'rules.cedar')
    await writeFile(rulesPath, 'permit')
    const error = await t.throwsAsync(openBench({ rulesPath }), { instanceOf: ConfigError })
    t.regex(error.problems[0]!, /^line 1: expected \(/)
    await t.throwsAsync(openBench({ rulesPath: join(folder, 'nothing') }), { instanceOf: ConfigError })
  })
  t.is(typeof createGuard, 'function')
})

test('rules are kept under their hash, and nothing else is taken for them', async (t) => {
  await withFolder(async (folder) => {
    const rules = readRules(defaultRules(), 'x')
    keepRules(folder, rules)
    keepRules(folder, rules)
    t.deepEqual((await readdir(folder)).sort(), [`${rules.hash}.cedar`, `${rules.hash}.schema.json`])
    t.deepEqual(keptRules(folder, rules.hash), { text: rules.text, schema: rules.schema })
    await writeFile(join(folder, `${rules.hash}.cedar`), `${rules.text} `)
    t.is(keptRules(folder, rules.hash), null, 'altered')
    t.is(keptRules(folder, '../../etc/passwd'), null)
    t.is(keptRules(folder, '0'.repeat(64)), null)
  })
})

/** A decision as it comes out of the ledger: its members in another order. */
const recorded = (decision: object): JsonObject => JSON.parse(canonicalJson(JSON.parse(JSON.stringify(decision))))

test('a decision is made again from its receipt, whatever it was', async (t) => {
  await withFolder(async (folder) => {
    const bench = await openBench({ keepRules: (rules) => keepRules(folder, rules) })
    const of = (hash: string) => keptRules(folder, hash)
    const calls = [
      request(bench.clock),
      request(bench.clock, { hazard: 'bias', toUri: 'sip:\ud800@x' }),
      request(bench.clock, { hazard: null }),
      request(bench.clock, { fromUri: 'sip:nobody@nowhere' }),
      request(bench.clock, { fromUri: 'sip:expert-safety@external.advisor', hazard: 'safety' }),
      signed(bench.keys.safety, request(bench.clock, { fromUri: 'sip:expert-safety@external.advisor', hazard: 'safety' }))
    ]
    for (const call of calls) {
      const decision = await bench.guard.decide(context(), call)
      const { verdict, code } = decision
      t.like(await replay(recorded(decision), of), {
        state: 'same',
        causes: [],
        engine: engineVersion,
        replayed: { verdict, code }
      })
    }
    await bench.close()
  })
})

test('a replay says when it differs, and why it cannot be made', async (t) => {
  await withFolder(async (folder) => {
    const bench = await openBench({ keepRules: (rules) => keepRules(folder, rules) })
    const of = (hash: string) => keptRules(folder, hash)
    const decision = recorded(await bench.guard.decide(context(), request(bench.clock)))
    const receipt = decision.receipt as JsonObject
    const facts = receipt.facts as Record<string, JsonObject>
    await bench.close()

    const other = readRules(
      `${defaultRules()}@id("no") @code("guard.rule.no") @reason("no") forbid (principal, action, resource);`,
      'x'
    )
    t.like(await replay(decision, () => other), {
      state: 'differs',
      causes: [
        'verdict: recorded approve, made again reject',
        'code: recorded guard.approved, made again guard.rule.no',
        'rule: recorded registered-party, made again no'
      ]
    })
    t.like(await replay({ ...decision, verdict: 'reject' }, of), { state: 'differs' }, 'the record was altered')
    const altered = { ...decision, receipt: { ...receipt, facts: { ...facts, time: { ...facts.time, hour: 3 } } } }
    t.regex((await replay(altered, of))!.causes[0]!, /^the recorded facts have the hash/)
    t.regex((await replay(decision, () => null))!.causes[0]!, /are not kept here/)
    const older = { ...decision, verdict: 'reject', receipt: { ...receipt, engine: 'guard-rules/0' } }
    t.is((await replay(older, of))!.causes[0], `made by guard-rules/0, made again by ${engineVersion}`)
    const { signature: _, ...without } = facts
    const { sha256 } = await import('./canonical.ts')
    const less = { ...decision, receipt: { ...receipt, facts: without, input: sha256(canonicalJson(without)) } }
    t.deepEqual((await replay(less, of))!.causes, ['the record holds no facts of signature'])
    t.is(await replay({ verdict: 'approve', code: 'x' }, of), null)
  })
})

test('rubbish in a receipt is never more than an impossible replay', async (t) => {
  const rules = readRules(defaultRules(), 'x')
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.constantFrom('engine', 'policy', 'rule', 'input', 'facts', 'x'), fc.jsonValue()),
      async (receipt) => {
        const found = await replay(
          { verdict: 'approve', code: 'x', receipt: { policy: rules.hash, ...receipt } as JsonObject },
          () => rules
        )
        t.true(found === null || found.state === 'impossible')
      }
    )
  )
})

test('canonical JSON does not depend on the order of members', (t) => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string()))),
      (object) => {
        const turned = Object.fromEntries(Object.entries(object).reverse())
        t.is(canonicalJson(object), canonicalJson(turned))
        t.deepEqual(JSON.parse(canonicalJson(object)), { ...JSON.parse(JSON.stringify(object)) })
      }
    )
  )
})
