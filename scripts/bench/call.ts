/**
 * `npm run bench:call`: set-up time of calls through the whole suite, what guard and ledger cost of it, and the delay that the mixer adds to sound.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cac } from 'cac'
import { z } from 'zod'
import { messageOf } from '#kernel'
import { readCredentials, type Suite, startSuite } from '#suite'
import { syncMs } from './disk.ts'
import { details, type Found, metricsOf } from './figures.ts'
import { type Load, startLoad } from './load.ts'
import { type CallPlan, measureCalls } from './measure-calls.ts'
import { measureMedia } from './measure-media.ts'
import { readOptions } from './options.ts'
import { loadRegistry, loadUsers } from './registry.ts'
import { jsonLines, metricTable } from './report.ts'
import { switchedPorts } from './without.ts'

const experts = 100
const conferences = 10
const connections = 8
const holdMs = 1000
const callTimeoutMs = 15_000
const setting = `limits per user and address raised, ${experts} experts, ${connections} TLS connections, calls of ${holdMs / 1000} s, sound toward the phones only`
const jitterTargetMs = 20

const optionsSchema = z.object({
  calls: z.coerce.number().int().min(0).max(20_000),
  rate: z.coerce.number().min(0.1).max(500),
  samples: z.coerce.number().int().min(0).max(10_000),
  even: z.boolean().default(false),
  json: z.boolean().default(false)
})

const say = (text: string) => process.stderr.write(`${text}\n`)

async function main(): Promise<number> {
  const program = cac('bench:call')
  program.option('--calls <n>', 'Calls counted, with guard and ledger; as many again without; 0 leaves them out', {
    default: 1000
  })
  program.option('--rate <n>', 'Calls begun in a second', { default: 50 })
  program.option('--samples <n>', 'Clicks by which the delay of sound is measured; 0 leaves it out', { default: 500 })
  program.option('--even', 'Even gaps between calls instead of exponential ones')
  program.option('--json', 'One JSON object a line')
  const options = readOptions(program, optionsSchema)
  if (options === null) return 0
  const { calls, rate, samples, even, json } = options

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
    await writeFile(registryFile, loadRegistry(experts))
    const ports = switchedPorts()
    suite = await startSuite(
      {
        data: join(folder, 'data'),
        listen: { tls: 0 },
        registry: registryFile,
        conferences: null,
        logLevel: 'error',
        media: { jitterTargetMs },
        limits: { requestsPer10s: 100_000, callsPerMinute: 10_000 }
      },
      { callPorts: ports.callPorts }
    )
    const { users } = await readCredentials(suite.data.credentials)
    load = await startLoad({
      port: suite.addresses.tls!.port,
      ca: await readFile(suite.data.ca, 'utf8'),
      users: loadUsers(users),
      dialled: Array.from({ length: conferences }, (_, n) => `council${n}-safety`),
      connections,
      holdMs,
      timeoutMs: callTimeoutMs
    })
    const plan: CallPlan = { calls, rate, spacing: even ? 'even' : 'poisson' }
    const media = samples === 0 ? null : await measureMedia(suite.inside.media, samples, jitterTargetMs, say)
    const found: Found = {
      calls: calls === 0 ? null : await measureCalls(suite, load, ports.use, plan, say),
      media,
      plan,
      setting,
      syncMs: await syncMs(folder),
      jitterTargetMs
    }
    console.log(json ? jsonLines(metricsOf(found)) : `${details(found)}\n\n${metricTable(metricsOf(found))}`)
    const failures = found.calls === null ? [] : [...found.calls.with.failures, ...found.calls.without.failures]
    for (const [reason, n] of failures) say(`${n} failed: ${reason}`)
    return failures.length > 0 ? 1 : 0
  } finally {
    await cleanUp()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  say(messageOf(error))
  process.exitCode = 2
}
