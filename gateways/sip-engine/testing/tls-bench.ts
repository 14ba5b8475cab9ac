/**
 * How many full TLS handshakes a second the engine accepts, while a phone that is connected already gets its answers. The clients are a process of
 * their own.
 *
 *     node gateways/sip-engine/testing/tls-bench.ts [--json]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { InfraFabricError, silentLog } from '#kernel'
import { figure, jsonLines, type Metric, metricTable, quantile } from '#scripts/bench/report.ts'
import { createSipServer } from '../sip-engine.ts'
import { createAuthority } from '../transport/testing/certificates.ts'

/** What the clients tell in the end. */
export interface TlsFlood {
  readonly handshakes: number
  readonly failed: number
  readonly seconds: number
  /** Milliseconds from each request of the connected phone to its answer; unanswered ones are missing. */
  readonly answersMs: readonly number[]
  readonly asked: number
}

export interface TlsBench extends TlsFlood {
  readonly handshakesPerS: number
  /** CPU milliseconds of the engine's process a handshake. */
  readonly cpuMs: number
}

const patienceMs = 20_000

/** @throws {InfraFabricError} `bench.process` when the clients do not come to an end. */
export async function benchTlsHandshakes(seconds = 5): Promise<TlsBench> {
  const authority = createAuthority()
  const engine = await createSipServer({
    listen: [{ transport: 'tls', address: '127.0.0.1', port: 0, tls: authority.issue('engine', 'IP:127.0.0.1') }],
    limits: { transport: { handshakesPerSecond: 100_000 } },
    log: silentLog
  })
  const settings = JSON.stringify({ port: engine.addresses[0]!.port, ca: authority.cert.toString(), seconds })
  const clients = fork(new URL('tls-bench-child.ts', import.meta.url), [settings], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const before = process.cpuUsage()
  const timer = setTimeout(() => clients.kill('SIGKILL'), seconds * 1000 + patienceMs)
  try {
    const [flood] = (await Promise.race([once(clients, 'message'), once(clients, 'exit')])) as [TlsFlood | number | null]
    if (flood === null || typeof flood === 'number') throw new InfraFabricError('bench.process', 'the TLS clients ended early')
    const { user, system } = process.cpuUsage(before)
    const cpuMs = (user + system) / 1000 / Math.max(1, flood.handshakes)
    return { ...flood, handshakesPerS: flood.handshakes / flood.seconds, cpuMs }
  } finally {
    clearTimeout(timer)
    clients.kill()
    await engine.close()
  }
}

export function tlsMetrics({ handshakesPerS, cpuMs, failed, answersMs, asked }: TlsBench): Metric[] {
  const answers = `${answersMs.length} of ${asked} requests of a connected phone answered meanwhile, p50 ${figure(quantile(answersMs, 0.5))} ms`
  const note = `full handshakes, P-256, ${failed} failed; ${figure(cpuMs)} ms of engine CPU each; ${answers}, max ${figure(quantile(answersMs, 1))} ms`
  return [{ metric: 'sip.tls_handshakes_per_s', value: handshakesPerS, unit: '1/s', note }]
}

if (import.meta.main) {
  const metrics = tlsMetrics(await benchTlsHandshakes())
  console.log(process.argv.includes('--json') ? jsonLines(metrics) : metricTable(metrics))
}
