/** SIPp as caller: blocks of calls, and what they cost the measured processes. */
import { fileURLToPath } from 'node:url'
import { runSipp, type SippResult } from '#sipp'
import type { Topology, Usage } from './processes.ts'

export type Transport = 'udp' | 'tcp' | 'tls'

export interface Block {
  readonly transport: Transport
  /** Calls begun in a second. */
  readonly rate: number
  readonly seconds: number
  /** Length of a call. */
  readonly holdMs: number
}

export interface Outcome {
  readonly wanted: number
  readonly successful: number
  readonly failed: number
  /** Calls completed in a second, over the time in which calls were begun. */
  readonly completedPerS: number
  readonly retransmissions: number
  /** CPU milliseconds a call. */
  readonly serverCpuMs: number
  readonly applicationCpuMs: number
  /** Share of one core the server used. */
  readonly serverLoad: number
  readonly residentBytes: number
}

const scenario = fileURLToPath(new URL('uac-call.xml', import.meta.url))

export async function runBlock(topology: Topology, block: Block, ca: string): Promise<Outcome> {
  const { transport, rate, seconds, holdMs } = block
  const calls = Math.max(1, Math.round(rate * seconds))
  const before = await usages(topology)
  const startedMs = performance.now()
  const result: SippResult = await runSipp({
    scenario,
    target: { host: '127.0.0.1', port: topology.ports[transport] },
    transport,
    ...(transport === 'tls' ? { tls: { ca, servername: 'localhost' } } : {}),
    calls,
    rate,
    limit: Math.ceil(rate * (holdMs / 1000 + 6)),
    pauseMs: holdMs,
    receiveTimeoutMs: 8000,
    timeoutMs: seconds * 1000 + 20_000,
    extra: ['-rtt_freq', '100000', '-rp', '20', '-buff_size', '8388608', '-nr'].slice(0, transport === 'udp' ? 6 : 7)
  })
  const tookS = (performance.now() - startedMs) / 1000
  const after = await usages(topology)
  const successful = result.calls.successful
  const each = (from: Usage, to: Usage) => (to.cpuMs - from.cpuMs) / Math.max(1, successful)
  return {
    wanted: calls,
    successful,
    failed: calls - successful,
    completedPerS: successful / Math.max(seconds, tookS - holdMs / 1000),
    retransmissions: result.retransmissions,
    serverCpuMs: each(before.server, after.server),
    applicationCpuMs: before.application === null ? 0 : each(before.application, after.application!),
    serverLoad: (after.server.cpuMs - before.server.cpuMs) / 1000 / tookS,
    residentBytes: after.server.residentBytes
  }
}

async function usages({ server, application }: Topology): Promise<{ server: Usage; application: Usage | null }> {
  return { server: await server.usage(), application: (await application?.usage()) ?? null }
}
