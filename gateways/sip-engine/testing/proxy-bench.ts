/**
 * How many calls a second go through the proxy: SIPp calls SIPp, a drachtio-srf application sends each INVITE on with `srf.proxyRequest`, and the
 * engine stays in the path (INVITE, 180, 200, ACK, BYE, 200). Engine and application are a process each.
 *
 *     node gateways/sip-engine/testing/proxy-bench.ts [--json]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { InfraFabricError } from '#kernel'
import { jsonLines, type Metric, metricTable, table } from '#scripts/bench/report.ts'
import { runSipp, type SippProcess, startSipp } from '#sipp'

export interface ProxyBlock {
  /** Calls begun in a second. */
  readonly rate: number
  readonly calls: number
  readonly failed: number
  /** Calls completed in a second. */
  readonly completedPerS: number
  /** CPU milliseconds a call. */
  readonly serverCpuMs: number
  readonly applicationCpuMs: number
}

export interface ProxyBench {
  /** Calls a second of the fastest block in which none failed; 0 when some failed in all. */
  readonly cps: number
  readonly blocks: readonly ProxyBlock[]
}

const secondsPerBlock = 3
const firstRate = 400
const settleMs = 2000
/** Blocks at most: with them the whole takes about a minute. */
const maxBlocks = 8

const scenario = (name: string): string => fileURLToPath(new URL(`../proxy/sipp/${name}.xml`, import.meta.url))

/**
 * Doubles the rate until calls fail, then halves the interval in which the limit lies. A rate is given up when calls fail twice.
 *
 * @throws {InfraFabricError} `bench.process` when a process does not start.
 */
export async function benchProxy(): Promise<ProxyBench> {
  const stops: (() => Promise<unknown>)[] = []
  try {
    const server = await startChild<{ port: number; admin: number }>('server', {})
    stops.push(server.stop)
    const callee = await startSipp({ scenario: scenario('uas-behind-proxy'), calls: 0, timeoutMs: 120_000, extra: buffers })
    stops.push(callee.stop)
    await callee.ready
    const application = await startChild('application', { admin: server.told.admin, callee: callee.port })
    stops.push(application.stop)
    const block = (rate: number, seconds: number) =>
      runBlock({ server, application, callee, port: server.told.port }, rate, seconds)
    await block(50, 1)
    const blocks: ProxyBlock[] = []
    let [good, bad, rate, tries] = [0, Number.POSITIVE_INFINITY, firstRate, 0]
    while (blocks.length < maxBlocks && bad - good > good / 12) {
      const done = await block(rate, secondsPerBlock)
      blocks.push(done)
      if (done.failed === 0 && done.completedPerS > rate * 0.85) good = rate
      else {
        // What is left of the failed calls goes on retransmitting; and the machine may have been busy with something else.
        await delay(settleMs)
        if (tries++ === 0) continue
        bad = rate
      }
      tries = 0
      rate = bad === Number.POSITIVE_INFINITY ? rate * 2 : Math.round((good + bad) / 2)
    }
    const cps = Math.max(0, ...blocks.filter(({ failed }) => failed === 0).map(({ completedPerS }) => completedPerS))
    return { cps, blocks }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

export function proxyMetrics({ cps, blocks }: ProxyBench): Metric[] {
  const best = blocks.find(({ completedPerS, failed }) => failed === 0 && completedPerS === cps)
  const cpu = best === undefined ? 'calls failed at every rate' : `CPU a call: engine ${best.serverCpuMs.toFixed(2)} ms`
  const note = 'INVITE–180–200–ACK–BYE through the engine as proxy, UDP, no call failed'
  return [{ metric: 'sip.proxy_cps', value: cps, unit: 'calls/s', note: `${note}; ${cpu}` }]
}

const buffers = ['-buff_size', '8388608', '-rtt_freq', '100000']

interface Parts {
  readonly server: Child
  readonly application: Child
  readonly callee: SippProcess
  readonly port: number
}

async function runBlock({ server, application, port }: Parts, rate: number, seconds: number): Promise<ProxyBlock> {
  const calls = rate * seconds
  const before = [await server.cpuMs(), await application.cpuMs()] as const
  const startedMs = performance.now()
  const { calls: made } = await runSipp({
    scenario: scenario('uac-through-proxy'),
    target: { host: '127.0.0.1', port },
    calls,
    rate,
    limit: rate * 6,
    receiveTimeoutMs: 8000,
    timeoutMs: seconds * 1000 + 15_000,
    extra: [...buffers, '-rp', '1000']
  })
  const tookS = (performance.now() - startedMs) / 1000
  const each = (from: number, to: number): number => (to - from) / Math.max(1, made.successful)
  return {
    rate,
    calls,
    failed: calls - made.successful,
    completedPerS: made.successful / Math.max(seconds, tookS),
    serverCpuMs: each(before[0], await server.cpuMs()),
    applicationCpuMs: each(before[1], await application.cpuMs())
  }
}

interface Child {
  /** CPU time used since its start. */
  readonly cpuMs: () => Promise<number>
  readonly stop: () => Promise<void>
}

async function startChild<T>(role: string, settings: object): Promise<Child & { readonly told: T }> {
  const child: ChildProcess = fork(new URL('proxy-bench-child.ts', import.meta.url), [role, JSON.stringify(settings)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  const next = async (): Promise<unknown> => {
    const waiting = new AbortController()
    const timer = setTimeout(() => waiting.abort(), 15_000)
    try {
      const { signal } = waiting
      const gone = once(child, 'exit', { signal }).then(() => [undefined])
      const [told] = await Promise.race([once(child, 'message', { signal }), gone])
      if (told === undefined) throw new InfraFabricError('bench.process', `${role} ended`)
      return told
    } finally {
      clearTimeout(timer)
      waiting.abort()
    }
  }
  const told = (await next().catch((error: unknown) => {
    child.kill('SIGKILL')
    throw error
  })) as T
  return {
    told,
    cpuMs: () => {
      child.send('usage')
      return next() as Promise<number>
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.disconnect()
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
      await gone
      clearTimeout(timer)
    }
  }
}

if (import.meta.main) {
  const bench = await benchProxy()
  if (process.argv.includes('--json')) console.log(jsonLines(proxyMetrics(bench)))
  else {
    const rows = bench.blocks.map(({ rate, calls, failed, completedPerS, serverCpuMs, applicationCpuMs }) => [
      ...[rate, calls, failed].map(String),
      ...[completedPerS, serverCpuMs, applicationCpuMs].map((value) => value.toFixed(2))
    ])
    console.log(table([['calls/s', 'calls', 'failed', 'completed/s', 'engine ms/call', 'application ms/call'], ...rows]))
    console.log(metricTable(proxyMetrics(bench)))
  }
}
