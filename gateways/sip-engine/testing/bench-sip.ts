/**
 * `npm run bench:sip`: what the SIP engine takes and carries. SIPp calls, a drachtio-srf application answers, each in a process of its own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cac } from 'cac'
import { ConfigError, errorCode, InfraFabricError, messageOf } from '#kernel'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { createAuthority } from '../transport/testing/certificates.ts'
import { findCapacity, type Outcome, runBlock } from './bench-sip/calls.ts'
import { type ServerSettings, startTopology, type Topology, type Usage, withCallersApart } from './bench-sip/processes.ts'

const say = (text: string) => process.stderr.write(`${text}\n`)
const mb = (octets: number): number => octets / 1_000_000
const t1Ms = 500

interface Found {
  readonly metrics: Metric[]
  /** Calls a second over UDP, for the parts that need it. */
  udpCps: number | null
}

const authority = createAuthority()
const ca = authority.cert.toString()
const issued = authority.issue('localhost', 'DNS:localhost')
const tls = { key: String(issued.key), cert: String(issued.cert) }

async function withTopology<T>(
  settings: Pick<ServerSettings, 'inProcess' | 't1Ms'> & Partial<Pick<ServerSettings, 'keepCode' | 'ownCore'>>,
  use: (topology: Topology) => Promise<T>
): Promise<T> {
  const topology = await startTopology({ keepCode: false, ownCore: false, ...settings, tls })
  try {
    return await use(topology)
  } finally {
    await topology.stop()
  }
}

/** Where the search begins when UDP was measured before: near enough to take few steps, low enough to pass. */
const startOf = ({ udpCps }: Found): number | undefined => (udpCps === null || udpCps === 0 ? undefined : udpCps * 0.4)

async function engine(found: Found, only: 'udp' | 'tcp' | 'tls'): Promise<number> {
  const { metrics } = found
  const { cps, best } = await withTopology({ inProcess: false, t1Ms }, (topology) =>
    findCapacity(topology, only, ca, say, { firstRate: startOf(found) })
  )
  const name = only === 'udp' ? 'sip.engine' : `sip.engine_${only}`
  const what = `INVITE–200–ACK–BYE over ${only.toUpperCase()}, calls of 1 s, all completed; engine, application and SIPp a process each`
  metrics.push({ metric: `${name}_cps`, value: cps, unit: 'calls/s', note: what })
  if (best === null) return cps
  metrics.push(
    { metric: `${name}_cpu_ms_per_call`, value: best.serverCpuMs, unit: 'ms', note: 'process of the engine, at that rate' },
    { metric: `${name}_application_cpu_ms_per_call`, value: best.applicationCpuMs, unit: 'ms', note: 'process of drachtio-srf' },
    { metric: `${name}_resident_mb`, value: mb(best.residentBytes), unit: 'MB', note: 'process of the engine, at that rate' }
  )
  return cps
}

async function inProcess(found: Found): Promise<void> {
  const { metrics } = found
  const { cps, best } = await withTopology({ inProcess: true, t1Ms }, (topology) =>
    findCapacity(topology, 'udp', ca, say, { firstRate: startOf(found) })
  )
  metrics.push({ metric: 'sip.inprocess_cps', value: cps, unit: 'calls/s', note: 'UDP; engine and application in one process' })
  if (best !== null)
    metrics.push({ metric: 'sip.inprocess_cpu_ms_per_call', value: best.serverCpuMs, unit: 'ms', note: 'engine and application' })
}

const heapCalls = 10_000
const heapRate = 1500
/** What lingers for 64·T1 is all there when a block of calls ends, and is gone when the benchmark has waited. */
const heapT1Ms = 150

async function heap({ metrics }: Found): Promise<void> {
  const { growth, lingering } = await withTopology({ inProcess: false, t1Ms: heapT1Ms, keepCode: true }, async (topology) => {
    const calls = async (count: number): Promise<{ busy: Usage; calm: Usage }> => {
      await runBlock(topology, { transport: 'udp', rate: heapRate, seconds: count / heapRate, holdMs: 100 }, ca)
      const busy = await topology.server.usage(true)
      await delay(64 * heapT1Ms + 3000)
      return { busy, calm: await topology.server.usage(true) }
    }
    const first = await calls(heapCalls)
    const { busy, calm } = await calls(heapCalls)
    const transactions = busy.stats!.serverTransactions - calm.stats!.serverTransactions
    return {
      growth: calm.heapBytes - first.calm.heapBytes,
      lingering: (busy.heapBytes - calm.heapBytes) / Math.max(1, transactions)
    }
  })
  metrics.push(
    {
      metric: 'sip.heap_growth_10k_mb',
      value: mb(growth),
      unit: 'MB',
      note: 'live heap of the engine, before and after 10,000 calls and their lingering transactions (T1 150 ms)'
    },
    {
      metric: 'sip.lingering_transaction_octets',
      value: lingering,
      unit: 'octets',
      note: 'live heap for each transaction in timer J or L, its response included; of INVITE and BYE as many each'
    }
  )
}

const upCalls = 4000
const upRate = 1000

async function callsUp({ metrics }: Found): Promise<void> {
  const octets = await withTopology({ inProcess: false, t1Ms, keepCode: true }, async (topology) => {
    const block = { transport: 'udp', rate: upRate, seconds: upCalls / upRate, holdMs: 9000 } as const
    await runBlock(topology, { ...block, holdMs: 100 }, ca)
    const before = await topology.server.usage(true)
    const running = runBlock(topology, block, ca)
    await delay(block.seconds * 1000 + 3000)
    const up = await topology.server.usage(true)
    await running
    return (up.heapBytes - before.heapBytes) / up.stats!.dialogs
  })
  metrics.push({
    metric: 'sip.call_octets',
    value: octets,
    unit: 'octets',
    note: 'live heap for each call that is up, the transaction of its INVITE included'
  })
}

/** Long enough that what may wait for a moment does not count as carried. */
const overloadSeconds = 5
const overloadRounds = 3

async function overload({ metrics, udpCps }: Found): Promise<void> {
  const rounds: { readonly once: Outcome; readonly twice: Outcome }[] = []
  const cps = await withCallersApart(() =>
    withTopology({ inProcess: false, t1Ms, ownCore: true }, async (topology) => {
      const search = { firstRate: startOf({ metrics, udpCps }), seconds: overloadSeconds }
      const { cps } = await findCapacity(topology, 'udp', ca, say, search)
      const block = (rate: number) => runBlock(topology, { transport: 'udp', rate, seconds: overloadSeconds, holdMs: 1000 }, ca)
      // In turn: what is carried of the capacity itself shows how the machine has changed since it was found.
      for (let n = 0; cps > 0 && n < overloadRounds; n++) {
        const round = { once: await block(cps), twice: await block(2 * cps) }
        rounds.push(round)
        for (const { offeredPerS, wanted, successful, refused, failed } of [round.once, round.twice])
          say(`${offeredPerS.toFixed(0)}/s: ${successful} of ${wanted} calls completed, ${refused} refused, ${failed} failed`)
      }
      return cps
    })
  )
  if (rounds.length === 0) return
  const mean = (of: (round: (typeof rounds)[number]) => number): number =>
    rounds.reduce((sum, round) => sum + of(round), 0) / rounds.length
  const completed = mean(({ twice }) => twice.completedPerS)
  const where = 'engine and application on one core, SIPp on another'
  const calls = (name: string, value: number, note: string): Metric => ({
    metric: `sip.overload_${name}`,
    value,
    unit: 'calls/s',
    note
  })
  metrics.push(
    {
      metric: 'sip.overload_ratio',
      value: completed / cps,
      unit: '',
      note: `calls completed a second when twice the capacity is offered, to the capacity; ${where}; mean of ${overloadRounds} times ${overloadSeconds} s`
    },
    calls('capacity_cps', cps, 'the most of which none failed'),
    calls(
      'capacity_completed_cps',
      mean(({ once }) => once.completedPerS),
      'of those when it was offered again'
    ),
    calls(
      'offered_cps',
      mean(({ twice }) => twice.offeredPerS),
      'at twice the capacity'
    ),
    calls(
      'admitted_cps',
      mean(({ twice }) => (twice.offeredPerS * (twice.wanted - twice.refused)) / twice.wanted),
      'of those, not answered with 503'
    ),
    calls('completed_cps', completed, 'of those, to the end of their BYE'),
    calls(
      'refused_cps',
      mean(({ twice }) => (twice.offeredPerS * twice.refused) / twice.wanted),
      '503 with Retry-After'
    ),
    {
      metric: 'sip.overload_failed',
      value: mean(({ twice }) => twice.failed / twice.wanted),
      unit: '',
      note: 'share of calls that were neither completed nor refused'
    },
    {
      metric: 'sip.overload_retransmissions',
      value: mean(({ twice }) => twice.retransmissions),
      unit: 'messages',
      note: 'of SIPp, each time'
    },
    {
      metric: 'sip.overload_resident_mb',
      value: mb(rounds.at(-1)!.twice.residentBytes),
      unit: 'MB',
      note: 'process of the engine'
    }
  )
}

async function codec({ metrics }: Found): Promise<void> {
  const { benchCodec } = await import('./codec-bench.ts')
  const { octets, parseMps, serializeMps } = benchCodec()
  const note = `INVITE with SDP, ${octets} octets, one core`
  metrics.push(
    { metric: 'sip.parse_mps', value: parseMps, unit: 'messages/s', note },
    { metric: 'sip.serialize_mps', value: serializeMps, unit: 'messages/s', note }
  )
}

async function handshakes({ metrics }: Found): Promise<void> {
  const { benchTlsHandshakes, tlsMetrics } = await import('./tls-bench.ts')
  metrics.push(...tlsMetrics(await benchTlsHandshakes()))
}

async function proxy({ metrics }: Found): Promise<void> {
  const { benchProxy, proxyMetrics } = await import('./proxy-bench.ts')
  metrics.push(...proxyMetrics(await benchProxy()))
}

const fuzzInputs = 100_000

async function fuzz({ metrics }: Found): Promise<void> {
  const file = fileURLToPath(new URL('./fuzz.ts', import.meta.url))
  const child = spawn(process.execPath, [file, '--json', '--inputs', `${fuzzInputs}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new InfraFabricError('bench.fuzz', 'an input broke something: see above')
  const { metric, value, unit, note }: Metric = JSON.parse(out)
  metrics.push({ metric, value, unit, note: `${note}; \`npm run fuzz:sip\` runs a million of each kind` })
}

const parts: Readonly<Record<string, (found: Found) => Promise<void>>> = {
  udp: async (found) => {
    found.udpCps = await engine(found, 'udp')
  },
  tcp: async (found) => void (await engine(found, 'tcp')),
  tls: async (found) => void (await engine(found, 'tls')),
  inprocess: inProcess,
  overload,
  heap,
  up: callsUp,
  codec,
  handshakes,
  proxy,
  fuzz
}

async function main(): Promise<number> {
  const program = cac('bench:sip')
  program.option('--only <parts>', `Parts, separated by commas: ${Object.keys(parts).join(', ')}`)
  program.option('--json', 'One JSON object a line')
  program.help()
  const { options } = program.parse()
  if (options.help) return 0
  const chosen = options.only === undefined ? Object.keys(parts) : String(options.only).split(',')
  const unknown = chosen.filter((name) => !Object.hasOwn(parts, name))
  if (unknown.length > 0) {
    throw new ConfigError(
      'bench:sip',
      unknown.map((name) => `--only: no part ${name}`)
    )
  }
  const found: Found = { metrics: [], udpCps: null }
  let failed = false
  for (const name of chosen) {
    say(`${name} …`)
    await parts[name]!(found).catch((error: unknown) => {
      failed = true
      say(`${name}: ${errorCode(error) ?? ''} ${messageOf(error)}`)
    })
  }
  console.log(options.json ? jsonLines(found.metrics) : metricTable(found.metrics))
  return failed ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  say(messageOf(error))
  process.exitCode = 2
}
