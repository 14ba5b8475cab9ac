/**
 * What IF.guard costs: decisions a second, where the time goes, and what refusals cost beside an approval.
 *
 *     npm run bench:guard [-- --json] [--seconds N]
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { GuardRequest } from '#kernel'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { signRequest } from '../guard.ts'
import { defaultRules, readRules } from '../rules/rule-file.ts'
import { goodCall } from '../rules/rule-table.ts'
import { judge, surroundings } from '../rules/rules.ts'
import { ReplayCache } from '../signature/replay-cache.ts'
import { parseSignature, signatureCovers } from '../signature/signature.ts'
import { parsePassport, passportCovers, signPassport } from '../stir/passport.ts'
import { context, makeKey, openBench, request, signed } from './fixtures.ts'

const { values } = parseArgs({ options: { json: { type: 'boolean' }, seconds: { type: 'string', default: '2' } } })
const seconds = Number(values.seconds)

/** CPU time of one call in µs, of this thread; the best of five rounds. */
async function cost(run: () => unknown): Promise<number> {
  const rounds = 5
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const until = performance.now() + (seconds * 1000) / rounds
    const before = process.cpuUsage()
    let done = 0
    while (performance.now() < until) {
      for (let n = 0; n < 20; n++) {
        const answer = run()
        if (answer instanceof Promise) await answer
      }
      done += 20
    }
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / done)
  }
  return best
}

const bench = await openBench({ limits: { callsPerMinute: 100_000_000, noncesPerKey: 100_000_000 } })
const { guard, clock, keys } = bench
const safety = (change: Partial<GuardRequest> = {}) =>
  request(clock, { fromUri: 'sip:expert-safety@external.advisor', hazard: 'safety', ...change })
const decide = (asked: GuardRequest) => guard.decide(context(), asked)

const unsigned = request(clock)
const approvedUnsigned = await cost(() => decide(unsigned))
const signing = await cost(() => signed(keys.safety, safety()))
const signedAndDecided = await cost(() => decide(signed(keys.safety, safety())))
const approvedSigned = signedAndDecided - signing

const once = signed(keys.safety, safety())
const header = parseSignature(once.signature!)
const fields = { ...once, traceId: once.claimedTraceId }
const verifying = await cost(() => signatureCovers(guard.registry().byId('expert-safety')!.key!, header, fields))

await decide(once)
const other = makeKey()
const refusals: readonly (readonly [name: string, asked: GuardRequest])[] = [
  ['unknown', request(clock, { fromUri: 'sip:nobody@nowhere' })],
  ['unauthenticated', safety({ edge: { ...unsigned.edge, authenticatedUser: null } })],
  ['mismatch', signed(keys.safety, safety({ hazard: 'bias' }))],
  ['malformed', safety({ signature: 'v=1;kid=x' })],
  ['unknown_key', { ...safety(), signature: signRequest(other, { ...safety(), traceId: null }, clock.now()) }],
  ['stale', signed(keys.safety, safety(), clock.now() - 61_000)],
  ['replayed', once],
  ['forged', { ...signed(keys.safety, safety()), callId: 'forged' }]
]
const refused: Metric[] = []
for (const [name, asked] of refusals) {
  const { verdict, code } = await decide(asked)
  if (verdict !== 'reject') throw new Error(`${name}: ${code}`)
  refused.push({
    metric: `guard.refused_${name}_us`,
    value: await cost(() => decide(asked)),
    unit: 'µs',
    note: `refused with ${code}`
  })
}
await bench.close()

const rules = readRules(defaultRules(), 'guard.cedar')
const around = surroundings(goodCall(rules.schema))
const judging = await cost(() => judge(rules, around, () => undefined))
const reading = await cost(() => readRules(defaultRules(), 'guard.cedar'))

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const token = signPassport(
  privateKey,
  {
    orig: { tn: '12155551212' },
    dest: { tn: ['12155551213'], uri: [] },
    issuedAt: 1,
    attestation: 'A',
    originId: '123e4567-e89b-12d3-a456-426614174000'
  },
  'https://cert.example.org/x'
)
const passport = await cost(() => passportCovers(parsePassport(token), publicKey))

/** Octets that one used nonce holds. */
function octetsOfNonce(): number {
  const cache = new ReplayCache({ keepMs: 180_000, perKey: 1_000_000 }, 0)
  const many = 100_000
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < many; n++) cache.admit('21fe31dfa154a261', randomBytes(18).toString('base64url'), n + 1, 0)
  globalThis.gc?.()
  const octets = (process.memoryUsage().heapUsed - before) / many
  return cache.size === many ? octets : Number.NaN
}
const nonceOctets = octetsOfNonce()

const dearest = Math.max(...refused.filter(({ metric }) => !metric.includes('forged')).map(({ value }) => value))
const metrics: Metric[] = [
  { metric: 'guard.decisions_per_second', value: 1e6 / approvedSigned, unit: '1/s', note: 'signed calls approved, one core' },
  { metric: 'guard.decision_us', value: approvedSigned, unit: 'µs', note: 'a signed call approved, with its receipt' },
  { metric: 'guard.unsigned_decision_us', value: approvedUnsigned, unit: 'µs', note: 'an unsigned call approved' },
  {
    metric: 'guard.verify_share',
    value: verifying / approvedSigned,
    unit: '',
    note: `Ed25519 over the canonical text, ${verifying.toFixed(0)} µs, of a signed decision`
  },
  { metric: 'guard.rules_us', value: judging, unit: 'µs', note: 'the rules of the suite over facts that are there' },
  { metric: 'guard.rules_read_us', value: reading, unit: 'µs', note: 'reading and checking the rule file' },
  {
    metric: 'guard.passport_us',
    value: passport,
    unit: 'µs',
    note: 'a PASSporT read and verified (ES256), its certificate held'
  },
  {
    metric: 'guard.early_refusal_ratio',
    value: dearest / approvedSigned,
    unit: '',
    note: 'the dearest refusal without a verification, against a signed approval'
  },
  ...refused,
  {
    metric: 'guard.nonce_octets',
    value: nonceOctets,
    unit: 'octets',
    note: 'memory of one used nonce; at most 1,000 of a key are held'
  }
]
console.log(values.json ? jsonLines(metrics) : metricTable(metrics))
