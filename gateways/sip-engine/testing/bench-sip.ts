/**
 * `npm run bench:sip`: what the SIP engine takes and carries. SIPp calls, a drachtio-srf application answers, each in a process of its own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cac } from 'cac'
import { ConfigError, errorCode, InfraFabricError } from '#kernel'
import { jsonLines, type Metric, metricTable } from '#scripts/bench/report.ts'
import { createAuthority } from '../transport/testing/certificates.ts'
import { findCapacity, runBlock } from './bench-sip/calls.ts'
import { type ServerSettings, startTopology, type Topology, withCallersApart } from './bench-sip/processes.ts'

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
    findCapacity(topology, only, ca, say, startOf(found))
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
    findCapacity(topology, 'udp', ca, say, startOf(found))
  )
  metrics.push({ metric: 'sip.inprocess_cps', value: cps, unit: 'calls/s', note: 'UDP; engine and application in one process' })
  if (best !== null)
    metrics.push({ metric: 'sip.inprocess_cpu_ms_per_call', value: best.serverCpuMs, unit: 'ms', note: 'engine and application' })
}

const heapCalls = 10_000
const heapRate = 1500
/** So short that what lingers for 64·T1 is gone while the benchmark waits. */
const heapT1Ms = 60

async function heap({ metrics }: Found): Promise<void> {
  const growth = await withTopology({ inProcess: false, t1Ms: heapT1Ms, keepCode: true }, async (topology) => {
    const calls = async (count: number): Promise<number> => {
      await runBlock(topology, { transport: 'udp', rate: heapRate, seconds: count / heapRate, holdMs: 100 }, ca)
      await new Promise((resolve) => setTimeout(resolve, 64 * heapT1Ms + 3000))
      return (await topology.server.usage(true)).heapBytes
    }
    const before = await calls(heapCalls)
    return (await calls(heapCalls)) - before
  })
  metrics.push({
    metric: 'sip.heap_growth_10k_mb',
    value: mb(growth),
    unit: 'MB',
    note: 'live heap of the engine, before and after 10,000 calls and their lingering transactions (T1 60 ms)'
  })
}

const overloadSeconds = 8

async function overload({ metrics, udpCps }: Found): Promise<void> {
  // Found anew, and with the same processes: the capacity of some minutes ago, or of code that is not compiled yet, is another.
  const found = await withCallersApart(() =>
    withTopology({ inProcess: false, t1Ms, ownCore: true }, async (topology) => {
      const { cps } = await findCapacity(topology, 'udp', ca, say, startOf({ metrics, udpCps }))
      if (cps === 0) return null
      const block = { transport: 'udp', rate: 2 * cps, seconds: overloadSeconds, holdMs: 1000 } as const
      return { cps, outcome: await runBlock(topology, block, ca) }
    })
  )
  if (found === null) return
  const { cps, outcome } = found
  const where = 'engine and application on one core, SIPp on another'
  metrics.push(
    {
      metric: 'sip.overload_ratio',
      value: outcome.completedPerS / cps,
      unit: '',
      note: `calls completed a second at twice the capacity, to the capacity; ${where}`
    },
    { metric: 'sip.overload_capacity_cps', value: cps, unit: 'calls/s', note: `none failed; ${where}` },
    { metric: 'sip.overload_offered_cps', value: outcome.offeredPerS, unit: 'calls/s', note: `for ${overloadSeconds} s` },
    { metric: 'sip.overload_completed_cps', value: outcome.completedPerS, unit: 'calls/s', note: 'to the end of their BYE' },
    { metric: 'sip.overload_admitted', value: outcome.wanted - outcome.refused, unit: 'calls', note: '' },
    { metric: 'sip.overload_completed', value: outcome.successful, unit: 'calls', note: '' },
    { metric: 'sip.overload_refused', value: outcome.refused, unit: 'calls', note: '503 and Retry-After' },
    { metric: 'sip.overload_failed', value: outcome.failed, unit: 'calls', note: 'neither completed nor refused' },
    { metric: 'sip.overload_retransmissions', value: outcome.retransmissions, unit: 'messages', note: 'of SIPp' },
    { metric: 'sip.overload_resident_mb', value: mb(outcome.residentBytes), unit: 'MB', note: 'process of the engine' }
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
      say(`${name}: ${errorCode(error) ?? ''} ${error instanceof Error ? error.message : String(error)}`)
    })
  }
  console.log(options.json ? jsonLines(found.metrics) : metricTable(found.metrics))
  return failed ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 2
}
