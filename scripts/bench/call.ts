/**
 * `npm run bench:call`: set-up time of calls through the whole suite, what guard and ledger cost of it, and the delay that the mixer adds to sound.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cac } from 'cac'
import { z } from 'zod'
import { ConfigError, defaultHazards } from '#kernel'
import { type MediaDelay, measureMediaDelay } from '#media'
import { readCredentials, type Suite, startSuite } from '#suite'
import type { LoadResult } from './caller.ts'
import { type Load, startLoad } from './load.ts'
import { figure, jsonLines, type Metric, metricTable, quantile, summarise, summaryHead, summaryRow, table } from './report.ts'
import { switchedPorts } from './without.ts'

const experts = 100
const conferences = 10
const connections = 8
const holdMs = 1000
const callTimeoutMs = 15_000
/** Calls before anything is counted: a runtime that has seen no call yet is not what callers meet. */
const warmUpSeconds = 4
/** With, without, without, with: what drifts evenly over the run falls on both alike. */
const order = [true, false, false, true, true, false, false, true]
const jitterTargetMs = 20
const largeConference = 50

const count = (most: number) => z.coerce.number().int().min(1).max(most)
const optionsSchema = z.object({
  calls: count(20_000),
  rate: z.coerce.number().min(0.1).max(500),
  samples: z.coerce.number().int().min(0).max(10_000),
  even: z.boolean().default(false),
  json: z.boolean().default(false)
})

/** What one kind of block gave, all its blocks together. */
interface Side {
  readonly setup: number[]
  readonly authenticated: number[]
  readonly challenge: number[]
  /** From the INVITE at the application to its 200, as the application tells. */
  readonly inside: number[]
  readonly late: number[]
  readonly failures: Map<string, number>
  entries: number
}

const newSide = (): Side => ({
  setup: [],
  authenticated: [],
  challenge: [],
  inside: [],
  late: [],
  failures: new Map(),
  entries: 0
})

function collect(side: Side, result: LoadResult): void {
  side.setup.push(...result.setupMs)
  side.authenticated.push(...result.authenticatedMs)
  side.challenge.push(...result.challengeMs)
  side.late.push(...result.lateMs)
  for (const [reason, calls] of Object.entries(result.failures))
    side.failures.set(reason, (side.failures.get(reason) ?? 0) + calls)
}

const failed = ({ failures }: Side): number => [...failures.values()].reduce((sum, calls) => sum + calls, 0)

/** Experts who need no signature, with half of the hazards each way round. */
function registry(): string {
  const expert = (n: number) =>
    [
      `  - id: expert-${n}`,
      `    uri: sip:expert-${n}@external.advisor`,
      '    organisation: Load',
      `    specialisations: [${defaultHazards.join(', ')}]`,
      '    publicKey: null',
      '    certificateIdentity: null',
      `    digestUser: expert-${n}`,
      '    signature: optional'
    ].join('\n')
  return `experts:\n${Array.from({ length: experts }, (_, n) => expert(n)).join('\n')}\nguardians: []\n`
}

const say = (text: string) => process.stderr.write(`${text}\n`)

/** Waits until no call is left and everything told is in the ledger. */
async function quiet(suite: Suite): Promise<void> {
  const deadline = performance.now() + callTimeoutMs
  while (suite.status().calls.length > 0 && performance.now() < deadline) await sleep(20)
  await suite.inside.witness.flush(callTimeoutMs)
}

async function measureCalls(
  suite: Suite,
  load: Load,
  use: (real: boolean) => void,
  { calls, rate, even }: { calls: number; rate: number; even: boolean }
): Promise<{ with: Side; without: Side }> {
  const sides = { with: newSide(), without: newSide() }
  let counting: Side | null = null
  suite.onEvent((event) => {
    if (event.type === 'answered') counting?.inside.push(event.setupMs)
  })
  const spacing = even ? 'even' : 'poisson'
  for (const real of [true, false]) {
    use(real)
    await load.run({ calls: Math.ceil((rate * warmUpSeconds) / 2), rate, spacing })
    await quiet(suite)
  }
  const blocks = order.length / 2
  let begun = { with: 0, without: 0 }
  for (const [at, real] of order.entries()) {
    const name = real ? 'with' : 'without'
    const side = sides[name]
    const share = Math.floor((calls - begun[name]) / (blocks - order.slice(0, at).filter((each) => each === real).length))
    begun = { ...begun, [name]: begun[name] + share }
    if (share === 0) continue
    use(real)
    counting = side
    const size = suite.status().ledger.size
    const result = await load.run({ calls: share, rate, spacing })
    await quiet(suite)
    counting = null
    side.entries += suite.status().ledger.size - size
    collect(side, result)
    const setup = summarise(result.setupMs)
    say(
      `${at + 1}/${order.length} ${name} guard and ledger: ${setup.count} calls, p50 ${figure(setup.p50)} ms, p99 ${figure(setup.p99)} ms`
    )
  }
  return sides
}

async function measureMedia(suite: Suite, samples: number): Promise<{ small: MediaDelay; large: MediaDelay } | null> {
  if (samples === 0) return null
  say(`sound: ${samples} clicks among 3 participants`)
  const small = await measureMediaDelay(suite.inside.media, 3, samples, jitterTargetMs)
  const fewer = Math.min(samples, 200)
  say(`sound: ${fewer} clicks among ${largeConference} participants`)
  return { small, large: await measureMediaDelay(suite.inside.media, largeConference, fewer, jitterTargetMs) }
}

async function main(): Promise<number> {
  const program = cac('bench:call')
  program.option('--calls <n>', 'Calls counted, with guard and ledger; as many again without', { default: 1000 })
  program.option('--rate <n>', 'Calls begun in a second', { default: 50 })
  program.option('--samples <n>', 'Clicks by which the delay of sound is measured; 0 leaves it out', { default: 500 })
  program.option('--even', 'Even gaps between calls instead of exponential ones')
  program.option('--json', 'One JSON object a line')
  program.help()
  const parsed = program.parse()
  if (parsed.options.help) return 0
  const options = optionsSchema.safeParse(parsed.options)
  if (!options.success)
    throw new ConfigError(
      'bench:call',
      options.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`)
    )
  const { calls, rate, samples, even, json } = options.data

  const folder = await mkdtemp(join(tmpdir(), 'bench-call-'))
  let suite: Suite | null = null
  let load: Load | null = null
  const cleanUp = async () => {
    await load?.close()
    await suite?.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const interrupted = (signal: NodeJS.Signals) => void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143))
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted)
  try {
    const registryFile = join(folder, 'registry.yaml')
    await writeFile(registryFile, registry())
    const ports = switchedPorts()
    suite = await startSuite(
      {
        data: join(folder, 'data'),
        listen: { tls: 0 },
        registry: registryFile,
        conferences: null,
        media: { jitterTargetMs },
        limits: { requestsPer10s: 100_000, callsPerMinute: 10_000 }
      },
      { callPorts: ports.callPorts }
    )
    const { users } = await readCredentials(suite.data.credentials)
    load = await startLoad({
      port: suite.addresses.tls!.port,
      ca: await readFile(suite.data.ca, 'utf8'),
      users: Object.entries(users).map(([name, { password }], n) => ({
        name,
        password: password!,
        algorithm: n % 2 === 0 ? ('SHA-256' as const) : ('MD5' as const)
      })),
      dialled: Array.from({ length: conferences }, (_, n) => `council${n}-safety`),
      connections,
      holdMs,
      timeoutMs: callTimeoutMs
    })
    const sides = await measureCalls(suite, load, ports.use, { calls, rate, even })
    await load.close()
    const media = await measureMedia(suite, samples)

    const metrics = metricsOf(sides, media, { rate, even })
    if (json) console.log(jsonLines(metrics))
    else console.log(`${details(sides, media)}\n\n${metricTable(metrics)}`)
    let failures = 0
    for (const side of [sides.with, sides.without])
      for (const [reason, n] of side.failures) {
        say(`${n} failed: ${reason}`)
        failures += n
      }
    return failures > 0 ? 1 : 0
  } finally {
    await cleanUp()
  }
}

function metricsOf(
  sides: { with: Side; without: Side },
  media: { small: MediaDelay; large: MediaDelay } | null,
  { rate, even }: { rate: number; even: boolean }
): readonly Metric[] {
  const setup = summarise(sides.with.setup)
  const withMs = quantile(sides.with.authenticated, 0.5)
  const withoutMs = quantile(sides.without.authenticated, 0.5)
  const how = `${setup.count} calls at ${rate}/s with ${even ? 'even' : 'exponential'} gaps, ${failed(sides.with)} failed; ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'})`
  const what = `first INVITE to 200 at the phone: TLS edge with all layers, digest challenge, IF.guard, ledger with fsync, conference; limits per user and address raised, ${experts} experts, ${connections} TLS connections, calls of ${holdMs / 1000} s; ${how}`
  const metrics: Metric[] = [
    { metric: 'call.setup_p50_ms', value: setup.p50, unit: 'ms', note: what },
    { metric: 'call.setup_p99_ms', value: setup.p99, unit: 'ms', note: what },
    {
      metric: 'call.guard_and_ledger_ms',
      value: withMs - withoutMs,
      unit: 'ms',
      note: `median from the INVITE with credentials to its 200: ${figure(withMs)} ms with, ${figure(withoutMs)} ms (${sides.without.authenticated.length} calls) with a guard that approves at once and a witness that keeps nothing; ratio ${figure(withMs / withoutMs)}; same suite, alternating blocks`
    }
  ]
  if (media !== null)
    metrics.push({
      metric: 'media.delay_added_p99_ms',
      value: media.small.addedP99Ms,
      unit: 'ms',
      note: `packet out to mixed packet in, less the jitter buffer's ${jitterTargetMs} ms; 3 participants, ${media.small.samples} clicks at all phases of the mixer's tick`
    })
  return metrics
}

function details(sides: { with: Side; without: Side }, media: { small: MediaDelay; large: MediaDelay } | null): string {
  const rows = (side: Side, name: string): (readonly string[])[] => {
    const line = (what: string, values: readonly number[]): readonly string[] => summaryRow(`${name}: ${what}`, summarise(values))
    return [
      line('first INVITE to 200', side.setup),
      line('first INVITE to 407', side.challenge),
      line('INVITE with credentials to 200', side.authenticated),
      line('of that, in the application', side.inside),
      line('call begun late by the caller', side.late)
    ]
  }
  const perCall = sides.with.entries / Math.max(1, sides.with.setup.length)
  const sound = ({ samples, addedP50Ms, addedP99Ms, mouthToEarP50Ms, mouthToEarP99Ms }: MediaDelay, participants: number) => [
    `${participants} participants`,
    String(samples),
    ...[addedP50Ms, addedP99Ms, mouthToEarP50Ms, mouthToEarP99Ms].map(figure)
  ]
  return [
    table([summaryHead, ...rows(sides.with, 'guard and ledger'), ...rows(sides.without, 'without them')]),
    `ledger entries a call: ${figure(perCall)} with, ${figure(sides.without.entries / Math.max(1, sides.without.setup.length))} without`,
    ...(media === null
      ? []
      : [
          '',
          table([
            ['milliseconds', 'clicks', 'added p50', 'added p99', 'mouth to ear p50', 'mouth to ear p99'],
            sound(media.small, 3),
            sound(media.large, largeConference)
          ])
        ])
  ].join('\n')
}

try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
}
