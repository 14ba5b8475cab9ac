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
  /** Calls answered with 503. */
  readonly refused: number
  /** Calls that ended otherwise than they should. */
  readonly failed: number
  /** Calls begun in a second. */
  readonly offeredPerS: number
  /** Calls completed in a second, over the time in which calls were begun. */
  readonly completedPerS: number
  readonly retransmissions: number
  /** CPU milliseconds a call. */
  readonly serverCpuMs: number
  readonly applicationCpuMs: number
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
    extra: ['-rtt_freq', '100000', '-buff_size', '8388608']
  })
  const after = await usages(topology)
  const successful = result.messages.filter(({ name }) => name === '200').at(-1)?.received ?? 0
  const refused = result.messages.find(({ name }) => name === '503')?.received ?? 0
  const tookS = result.rate > 0 ? result.calls.created / result.rate : (performance.now() - startedMs) / 1000
  const begunS = Math.max(seconds, tookS - holdMs / 1000)
  const each = (from: Usage, to: Usage) => (to.cpuMs - from.cpuMs) / Math.max(1, successful)
  return {
    wanted: calls,
    successful,
    refused,
    failed: calls - successful - refused,
    offeredPerS: result.calls.created / begunS,
    completedPerS: successful / begunS,
    retransmissions: result.retransmissions,
    serverCpuMs: each(before.server, after.server),
    applicationCpuMs: before.application === null ? 0 : each(before.application, after.application!),
    residentBytes: after.server.residentBytes
  }
}

async function usages({ server, application }: Topology): Promise<{ server: Usage; application: Usage | null }> {
  return { server: await server.usage(), application: (await application?.usage()) ?? null }
}

export interface Capacity {
  /** Calls a second of the fastest block in which every call was completed in its time; 0 where there was none. */
  readonly cps: number
  readonly best: Outcome | null
}

const stepUp = 1.25
const holdMs = 1000
/** Share of the rate that must have been reached, since a caller that is held up calls more slowly. */
const reached = 0.93
const maxBlocks = 10

/** Raises the rate, from `firstRate` on, until calls fail twice in a row, then tries once between. */
export async function findCapacity(
  topology: Topology,
  transport: Transport,
  ca: string,
  say: (text: string) => void,
  { firstRate = 1200, seconds = 2 }: { readonly firstRate?: number | undefined; readonly seconds?: number } = {}
): Promise<Capacity> {
  const block = (rate: number, length = seconds) => runBlock(topology, { transport, rate, seconds: length, holdMs }, ca)
  await block(400, 3)
  let best: Outcome | null = null
  let cps = 0
  let rate = firstRate
  let failedAt: number | null = null
  let failures = 0
  for (let n = 0; n < maxBlocks; n++) {
    const outcome = await block(rate)
    const good = outcome.successful === outcome.wanted && outcome.completedPerS >= reached * rate
    say(
      `${transport} ${Math.round(rate)}/s: ${outcome.successful} of ${outcome.wanted} calls, ${outcome.completedPerS.toFixed(0)}/s`
    )
    if (good) {
      best = outcome
      cps = Math.min(rate, outcome.completedPerS)
      failures = 0
      if (failedAt !== null) break
      rate *= stepUp
    } else if (++failures === 2) {
      if (failedAt !== null || best === null) break
      failedAt = rate
      rate /= Math.sqrt(stepUp)
      failures = 1
    }
  }
  return { cps, best }
}
