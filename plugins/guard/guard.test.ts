import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ConfigError, type GuardRequest, manualClock, silentLog } from '#kernel'
import { createGuard, defaultPolicies } from './guard.ts'
import { type Bench, context, makeKey, openBench, registryText, request, signed } from './testing/fixtures.ts'

const decide = (bench: Bench, asked: GuardRequest) => bench.guard.decide(context(), asked)

const safetyCall = (bench: Bench, change: Partial<GuardRequest> = {}) =>
  request(bench.clock, { fromUri: 'sip:expert-safety@external.advisor', hazard: 'safety', ...change })

test('a registered expert with the right specialisation is approved, with a finding of every policy', async (t) => {
  const bench = await openBench()
  const decision = await decide(bench, request(bench.clock))
  t.like(decision, {
    verdict: 'approve',
    layer: 'policy',
    code: 'guard.approved',
    security: false,
    expertId: 'expert-ethics',
    hazard: 'ethics'
  })
  t.deepEqual(
    decision.findings.map(({ policy, verdict, code }) => [policy, verdict, code]),
    [
      ['registered', 'pass', 'guard.registered.expert'],
      ['specialisation', 'pass', 'guard.specialisation.matched'],
      ['rate', 'pass', 'guard.rate.within'],
      ['signature', 'abstain', 'guard.signature.not-required'],
      ['identity', 'abstain', 'guard.identity.absent']
    ]
  )
  await bench.close()
})

test('a Guardian needs no hazard; a signed call passes where one is required', async (t) => {
  const bench = await openBench()
  const guardian = await decide(bench, request(bench.clock, { fromUri: 'sip:guardian-1@council.local', hazard: null }))
  t.like(guardian, { verdict: 'approve', expertId: 'guardian-1', hazard: null })
  t.is(guardian.findings[0]!.code, 'guard.registered.guardian')
  const expert = await decide(bench, signed(bench.keys.safety, safetyCall(bench)))
  t.is(expert.verdict, 'approve')
  t.true(expert.findings.some(({ code }) => code === 'guard.signature.verified'))
  await bench.close()
})

interface Refusal {
  readonly name: string
  readonly code: string
  readonly security: boolean
  readonly ask: (bench: Bench) => GuardRequest
}
const edge = (bench: Bench, change: Partial<GuardRequest['edge']>) => ({ ...request(bench.clock).edge, ...change })
const refusals: readonly Refusal[] = [
  {
    name: 'a URI that is none',
    code: 'guard.registered.malformed-uri',
    security: false,
    ask: ({ clock }) => request(clock, { fromUri: 'tel:+431' })
  },
  {
    name: 'somebody unknown',
    code: 'guard.registered.unknown',
    security: false,
    ask: ({ clock }) => request(clock, { fromUri: 'sip:mallory@external.advisor' })
  },
  {
    name: 'a URI that differs in case of the user',
    code: 'guard.registered.unknown',
    security: false,
    ask: ({ clock }) => request(clock, { fromUri: 'sip:Expert-ethics@external.advisor' })
  },
  {
    name: 'nobody authenticated',
    code: 'guard.registered.unauthenticated',
    security: true,
    ask: (bench) => request(bench.clock, { edge: edge(bench, { authenticatedUser: null }) })
  },
  {
    name: 'one expert with the password of another',
    code: 'guard.registered.identity-mismatch',
    security: true,
    ask: (bench) => request(bench.clock, { edge: edge(bench, { authenticatedUser: 'expert-safety' }) })
  },
  {
    name: 'no certificate where one is demanded',
    code: 'guard.registered.certificate-missing',
    security: true,
    ask: ({ clock }) => request(clock, { fromUri: 'sip:expert-security@external.advisor', hazard: 'security' })
  },
  {
    name: 'the certificate of somebody else',
    code: 'guard.registered.certificate-mismatch',
    security: true,
    ask: (bench) =>
      request(bench.clock, {
        fromUri: 'sip:expert-security@external.advisor',
        hazard: 'security',
        edge: edge(bench, { authenticatedUser: 'expert-security', certificateIdentity: 'expert-security' })
      })
  },
  {
    name: 'no signature where one is required',
    code: 'guard.signature.missing',
    security: true,
    ask: (bench) => safetyCall(bench)
  },
  {
    name: 'a signature that cannot be read, though none is required',
    code: 'guard.signature.malformed',
    security: true,
    ask: ({ clock }) => request(clock, { signature: 'v=1' })
  },
  {
    name: 'a signature by a stranger',
    code: 'guard.signature.unknown-key',
    security: true,
    ask: (bench) => signed(makeKey(), safetyCall(bench))
  },
  {
    name: 'a signature by another expert of the registry',
    code: 'guard.signature.unknown-key',
    security: true,
    ask: (bench) => signed(bench.keys.ethics, safetyCall(bench))
  },
  {
    name: 'a signature where the registry has no key',
    code: 'guard.signature.unknown-key',
    security: true,
    ask: ({ clock }) => signed(makeKey(), request(clock, { fromUri: 'sip:guardian-1@council.local' }))
  },
  {
    name: 'a signature over 60 s old',
    code: 'guard.signature.stale',
    security: true,
    ask: (bench) => signed(bench.keys.safety, safetyCall(bench), bench.clock.now() - 61_000)
  },
  {
    name: 'a signature over 60 s ahead',
    code: 'guard.signature.future',
    security: true,
    ask: (bench) => signed(bench.keys.safety, safetyCall(bench), bench.clock.now() + 61_000)
  },
  {
    name: 'a signature over another call',
    code: 'guard.signature.invalid',
    security: true,
    ask: (bench) => ({ ...signed(bench.keys.safety, safetyCall(bench)), callId: 'another' })
  },
  {
    name: 'a signature over a request with a line break in a header',
    code: 'guard.signature.unsignable',
    security: true,
    ask: (bench) => ({ ...signed(bench.keys.safety, safetyCall(bench)), callId: 'a\nb' })
  },
  {
    name: 'no hazard',
    code: 'guard.specialisation.missing-hazard',
    security: false,
    ask: ({ clock }) => request(clock, { hazard: null })
  },
  {
    name: 'a hazard nobody knows',
    code: 'guard.specialisation.unknown-hazard',
    security: false,
    ask: ({ clock }) => request(clock, { hazard: 'volcano' })
  },
  {
    name: 'a hazard the expert is not called for',
    code: 'guard.specialisation.mismatch',
    security: false,
    ask: ({ clock }) => request(clock, { hazard: 'safety' })
  }
]
for (const { name, code, security, ask } of refusals) {
  test(`refused: ${name}`, async (t) => {
    const bench = await openBench()
    const decision = await decide(bench, ask(bench))
    t.like(decision, { verdict: 'reject', layer: 'policy', code, security })
    t.is(decision.findings.at(-1)!.code, code)
    t.true(decision.findings.slice(0, -1).every(({ verdict }) => verdict !== 'deny'))
    t.true(decision.findings.every(({ policy }, at) => policy === defaultPolicies[at]))
    await bench.close()
  })
}

test('a hazard or caller that is not configured never becomes a label', async (t) => {
  const bench = await openBench()
  t.is((await decide(bench, request(bench.clock, { hazard: 'volcano' }))).hazard, null)
  t.is((await decide(bench, request(bench.clock, { fromUri: 'sip:mallory@x.example' }))).expertId, null)
  await bench.close()
})

test('the demanded certificate is compared as a SIP identity', async (t) => {
  const bench = await openBench()
  const decision = await decide(
    bench,
    request(bench.clock, {
      fromUri: 'sip:expert-security@external.advisor',
      hazard: 'security',
      edge: edge(bench, { authenticatedUser: 'expert-security', certificateIdentity: 'sips:expert-security@EXTERNAL.advisor' })
    })
  )
  t.is(decision.verdict, 'approve')
  await bench.close()
})

test('calls beyond the limit are refused until a place is free; refused ones and other experts do not count', async (t) => {
  const bench = await openBench({ limits: { callsPerMinute: 3 } })
  const call = () => decide(bench, request(bench.clock))
  for (let n = 0; n < 20; n++) await decide(bench, request(bench.clock, { hazard: 'safety' }))
  for (let n = 0; n < 3; n++) t.is((await call()).verdict, 'approve')
  t.like(await call(), { verdict: 'reject', code: 'guard.rate.exceeded', security: false })
  t.is((await decide(bench, request(bench.clock, { fromUri: 'sip:guardian-1@council.local' }))).verdict, 'approve')
  bench.clock.advance(60_000)
  t.is((await call()).verdict, 'approve')
  await bench.close()
})

test('of calls made at once exactly as many pass as there are places, and a nonce serves one', async (t) => {
  const bench = await openBench()
  const nonce = 'AAECAwQFBgcICQoLDA0ODw'
  const once = signed(bench.keys.safety, safetyCall(bench), bench.clock.now(), nonce)
  const replays = await Promise.all(Array.from({ length: 200 }, () => decide(bench, once)))
  t.is(replays.filter(({ verdict }) => verdict === 'approve').length, 1)
  t.is(replays.filter(({ code }) => code === 'guard.signature.replayed').length, 199)
  const many = await Promise.all(Array.from({ length: 50 }, () => decide(bench, request(bench.clock))))
  t.is(many.filter(({ verdict }) => verdict === 'approve').length, 10)
  await bench.close()
})

test('of 100,000 replayed, stale and altered signatures none is accepted, and the nonces that were used stay bounded', async (t) => {
  const bench = await openBench({ limits: { callsPerMinute: 100_000 } })
  const now = bench.clock.now()
  const fresh = () => Array.from({ length: 100 }, () => signed(bench.keys.safety, safetyCall(bench)))
  const used = fresh()
  for (const each of used) t.is((await decide(bench, each)).verdict, 'approve')
  const unused = fresh()
  const late = signed(bench.keys.safety, safetyCall(bench), now - 61_000)
  const early = signed(bench.keys.safety, safetyCall(bench), now + 61_000)
  const alterations: readonly Partial<GuardRequest>[] = [
    { callId: 'other' },
    { cseq: 99 },
    { method: 'MESSAGE' },
    { hazard: 'alignment' },
    { toUri: 'sip:council-alignment@council.local' },
    { claimedTraceId: 'case-43' },
    { body: Buffer.from('v=0\n') },
    { fromUri: 'sip:expert-safety@external.advisor:5060' },
    { callId: 'a\r\nnonce x' },
    { toUri: 'sip:council\u202e-safety@council.local' }
  ]
  const sig = (each: GuardRequest, from: RegExp, to: (found: string) => string): GuardRequest => ({
    ...each,
    signature: each.signature!.replace(from, to)
  })
  const malformations: readonly ((text: string) => string)[] = [
    (text) => `${text}\r\nX-IF-Hazard: bias`,
    (text) => text.replace(';', '；'),
    (text) => text.replace('; '.trim(), ';\u00a0'),
    (text) => text.replace(/iat=\d/, 'iat=１'),
    (text) => text.replace('v=1', 'v=1;v=1'),
    (text) => text.replace('v=1', 'V=1'),
    (text) => text.replace('sig=', 'sig=\u200b'),
    (text) => text.replace(/kid=(..)/, (_, two: string) => `kid=${two.toUpperCase()}Z`),
    (text) => text.replace('nonce=', 'nonce=AAAA\u0000'),
    (text) => text + 'A'.repeat(60_000)
  ]
  const kinds: readonly [code: string, make: (n: number) => GuardRequest][] = [
    ['replayed', (n) => used[n % 100]!],
    ['stale', (n) => ({ ...late, callId: `late-${n}` })],
    ['future', () => early],
    ['invalid', (n) => ({ ...unused[n % 100]!, ...alterations[(n >> 3) % 10]! })],
    ['replayed', (n) => ({ ...used[n % 100]!, callId: `copy-${n}` })],
    ['invalid', (n) => sig(unused[n % 100]!, /sig=./, (text) => (text === 'sig=A' ? 'sig=B' : 'sig=A'))],
    ['unknown-key', (n) => sig(unused[n % 100]!, /kid=.{16}/, () => `kid=${n.toString(16).padStart(16, '0')}`)],
    ['malformed', (n) => ({ ...unused[n % 100]!, signature: malformations[(n >> 3) % 10]!(unused[n % 100]!.signature!) })]
  ]
  const told = new Map<string, number>()
  for (let n = 0; n < 100_000; n++) {
    const [expected, make] = kinds[n % kinds.length]!
    const { verdict, code } = await decide(bench, make(n))
    const isUnsignable = expected === 'invalid' && code === 'guard.signature.unsignable'
    if (verdict === 'approve' || (code !== `guard.signature.${expected}` && !isUnsignable))
      t.fail(`${n}: ${code}, expected ${expected}`)
    told.set(expected, (told.get(expected) ?? 0) + 1)
  }
  t.deepEqual(Object.fromEntries(told), {
    replayed: 25_000,
    stale: 12_500,
    future: 12_500,
    invalid: 25_000,
    'unknown-key': 12_500,
    malformed: 12_500
  })
  for (const each of unused) t.is((await decide(bench, each)).verdict, 'approve', 'none of it used up a nonce')
  bench.clock.advance(59_000)
  t.is((await decide(bench, { ...used[0]!, receivedAt: bench.clock.now() })).code, 'guard.signature.replayed')
  await bench.close()
})

test('a signature that does not verify burns no nonce of the one that does', async (t) => {
  const bench = await openBench()
  const good = signed(bench.keys.safety, safetyCall(bench))
  t.is((await decide(bench, { ...good, callId: 'forged' })).code, 'guard.signature.invalid')
  t.is((await decide(bench, good)).verdict, 'approve')
  await bench.close()
})

test('a signer beyond the cache is refused, and served again when its nonces are due', async (t) => {
  const bench = await openBench({ limits: { noncesPerKey: 2, callsPerMinute: 100 } })
  const call = () => decide(bench, signed(bench.keys.safety, safetyCall(bench)))
  t.is((await call()).verdict, 'approve')
  t.is((await call()).verdict, 'approve')
  t.like(await call(), { code: 'guard.signature.cache-full', security: false })
  t.is((await decide(bench, request(bench.clock))).verdict, 'approve', 'unsigned calls go on')
  bench.clock.advance(180_000)
  t.is((await call()).verdict, 'approve')
  await bench.close()
})

test('what was signed before this guard started is refused: a restart opens no window for replays', async (t) => {
  const bench = await openBench()
  const before = signed(bench.keys.safety, safetyCall(bench), bench.clock.now() - 2_000)
  t.like(await decide(bench, before), { code: 'guard.signature.stale', security: true })
  await bench.close()
})

test('a wall clock set back does not revive a used signature', async (t) => {
  const bench = await openBench()
  const used = signed(bench.keys.safety, safetyCall(bench))
  t.is((await decide(bench, used)).verdict, 'approve')
  bench.clock.advance(600_000)
  t.is((await decide(bench, used)).code, 'guard.signature.stale', 'receivedAt as it was at first')
  await bench.close()
})

test('outbound: the party is the one called, and the edge has nothing to say', async (t) => {
  const bench = await openBench()
  const outbound = request(bench.clock, {
    direction: 'outbound',
    fromUri: 'sip:council@council.local',
    toUri: 'sip:expert-safety@external.advisor',
    hazard: 'safety',
    edge: edge(bench, { authenticatedUser: null })
  })
  t.like(await decide(bench, outbound), { verdict: 'approve', expertId: 'expert-safety' })
  t.is((await decide(bench, { ...outbound, toUri: 'sip:mallory@x.example' })).code, 'guard.registered.unknown')
  t.is((await decide(bench, { ...outbound, hazard: 'bias' })).code, 'guard.specialisation.mismatch')
  await bench.close()
})

test('a reload is seen by the next decision', async (t) => {
  const bench = await openBench()
  await writeFile(bench.registryPath, registryText(bench.keys).replace(/sip:expert-ethics@/, 'sip:moved@'))
  await bench.guard.reload()
  t.is((await decide(bench, request(bench.clock))).code, 'guard.registered.unknown')
  await bench.close()
})

async function withPolicies(policies: Record<string, string>, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'guard-policies-'))
  try {
    for (const [name, source] of Object.entries(policies)) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'policy.js'), source)
    }
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const answering = (name: string, verdict: string) => `export const policy = { name: '${name}', open: () => () => (${verdict}) }`

test('a policy of a folder outside is asked in its place, with its settings', async (t) => {
  const curfew = `export const policy = { name: 'curfew', open: ({ settings }) => {
    if (typeof settings.closed !== 'boolean') throw new Error('closed: expected true or false')
    return async (request, state) => settings.closed
      ? { verdict: 'deny', code: 'guard.curfew.closed', reason: 'closed for ' + state.party.id }
      : { verdict: 'pass', code: 'guard.curfew.open', reason: 'open' }
  } }`
  await withPolicies({ curfew }, async (policyFolder) => {
    const policies = ['registered', 'curfew', 'rate']
    const closed = await openBench({ policyFolder, policies, policySettings: { curfew: { closed: true } } })
    t.deepEqual(closed.guard.policies, policies)
    t.like(await decide(closed, request(closed.clock)), {
      verdict: 'reject',
      code: 'guard.curfew.closed',
      reason: 'closed for expert-ethics',
      security: false
    })
    await closed.close()
    const open = await openBench({ policyFolder, policies, policySettings: { curfew: { closed: false } } })
    t.is((await decide(open, request(open.clock))).verdict, 'approve')
    await open.close()
    const error = await t.throwsAsync(openBench({ policyFolder, policies }), { instanceOf: ConfigError })
    t.deepEqual(error.problems, ['policySettings.curfew: closed: expected true or false'])
  })
})

test('a policy that throws, is late or says something ill-formed denies', async (t) => {
  const policies: Record<string, string> = {
    throws: `export const policy = { name: 'throws', open: () => () => { throw new Error('secret detail') } }`,
    rejects: `export const policy = { name: 'rejects', open: () => async () => { throw new Error('secret detail') } }`,
    nothing: answering('nothing', 'undefined'),
    foreign: answering('foreign', "{ verdict: 'pass', code: 'guard.approved', reason: '' }"),
    label: answering('label', "{ verdict: 'pass', code: 'guard.label.' + 'x'.repeat(80), reason: '' }"),
    maybe: answering('maybe', "{ verdict: 'maybe', code: 'guard.maybe.so', reason: '' }"),
    mute: answering('mute', "{ verdict: 'pass', code: 'guard.mute.so' }")
  }
  await withPolicies(policies, async (policyFolder) => {
    for (const name of Object.keys(policies)) {
      const bench = await openBench({ policyFolder, policies: ['registered', name] })
      const decision = await decide(bench, request(bench.clock))
      t.like(decision, { verdict: 'reject', code: 'guard.policy.failed', security: false }, name)
      t.false(decision.reason.includes('secret'), name)
      await bench.close()
    }
  })
})

test('a policy that never answers is given up after its time, or when the call is', async (t) => {
  const never = `export const policy = { name: 'never', open: () => () => new Promise(() => {}) }`
  await withPolicies({ never }, async (policyFolder) => {
    const bench = await openBench({ policyFolder, policies: ['registered', 'never'] })
    const late = decide(bench, request(bench.clock))
    await new Promise(setImmediate)
    bench.clock.advance(1_000)
    t.is((await late).code, 'guard.policy.failed')
    const call = new AbortController()
    const cancelled = bench.guard.decide(context(call.signal), request(bench.clock))
    await new Promise(setImmediate)
    call.abort()
    t.is((await cancelled).code, 'guard.policy.cancelled')
    t.is((await bench.guard.decide(context(AbortSignal.abort()), request(bench.clock))).code, 'guard.policy.cancelled')
    await bench.close()
    t.is(bench.clock.pending(), 0)
  })
})

test('abstentions alone approve nothing: what no rule permits is refused', async (t) => {
  const other = answering('other', "{ verdict: 'abstain', code: 'guard.other.x', reason: '' }")
  await withPolicies({ other }, async (policyFolder) => {
    const rulesPath = join(policyFolder, 'rules.cedar')
    await writeFile(
      rulesPath,
      `@id("r") @finding("registered") forbid (principal, action, resource) when { context.registered.verdict == "deny" };
       @id("other") permit (principal, action, resource) when { context.other.verdict == "pass" };`
    )
    const bench = await openBench({ policyFolder, rulesPath, policies: ['registered', 'other'] })
    t.like(await decide(bench, request(bench.clock)), { verdict: 'reject', code: 'guard.policy.none-passed' })
    await bench.close()
  })
})

test('every problem of a configuration is reported at once', async (t) => {
  const broken = { broken: 'export const policy = 1', named: answering('else', 'null'), syntax: 'export const' }
  await withPolicies(broken, async (policyFolder) => {
    await mkdir(join(policyFolder, 'empty'))
    const error = await t.throwsAsync(
      createGuard({
        registryPath: 'unread',
        policyFolder,
        policies: ['rate', 'rate', 'broken', 'named', 'syntax', 'empty', 'absent', '../etc'],
        policySettings: { signature: {} },
        limits: { callsPerMinute: 0, noncesPerKey: Number.NaN },
        hazards: ['Safety'],
        clock: manualClock(),
        log: silentLog
      }),
      { instanceOf: ConfigError }
    )
    const expected = [
      /^callsPerMinute: /,
      /^noncesPerKey: /,
      /^hazards: "Safety"/,
      /^policies: registered must be among them/,
      /^policySettings.signature: /,
      /^policies\[1\]: rate is listed twice/,
      /^policies\[2\]: .* exports no policy/,
      /^policies\[3\]: .* named "else", expected named/,
      /^policies\[4\]: .* does not load/,
      /^policies\[5\]: .* has no policy\.ts/,
      /^policies\[6\]: no folder absent .*ENOENT/,
      /^policies\[7\]: no policy named "\.\.\/etc"/
    ]
    t.is(error.problems.length, expected.length)
    for (const [at, pattern] of expected.entries()) t.regex(error.problems[at]!, pattern)
  })
})
