/** An engine on a network in memory, ready for a test to play both its caller and its application. */
import { type ManualClock, manualClock, silentLog } from '#kernel'
import { defaultMessageLimits } from '../codec/limits.ts'
import { type EngineCounters, newCounters } from '../common/stats.ts'
import { defaultTimers, type EngineTimers } from '../common/timers.ts'
import type { EngineOptions } from '../core/config.ts'
import { createEngine, type Engine } from '../core/engine.ts'
import type { OutboundPorts } from '../core/outbound.ts'
import type { NameService } from '../next-hop/name-service.ts'
import { defaultOverloadLimits, type OverloadLimits } from '../overload/overload.ts'
import { defaultTransportLimits, type Listener, type TransportName } from '../transport/port.ts'
import { createMemoryNetwork, type MemoryNetwork, type NetworkOptions } from './memory-network.ts'
import { createNames } from './names.ts'

export interface TestEngine {
  readonly engine: Engine
  readonly counters: EngineCounters
  readonly at: Listener
  /** How long the engine is told that its sockets have not been empty; a test may set it. */
  readonly load: { behindMs: number }
}

export interface Bench extends TestEngine {
  readonly clock: ManualClock
  readonly network: MemoryNetwork
}

export function createTestEngine(
  clock: ManualClock,
  network: MemoryNetwork,
  options: {
    address?: string
    port?: number
    transport?: TransportName
    timers?: Partial<EngineTimers>
    serverTransactions?: number
    overload?: Partial<OverloadLimits>
    options?: Partial<EngineOptions>
    outbound?: OutboundPorts
    names?: NameService
  } = {}
): TestEngine {
  const at: Listener = {
    transport: options.transport ?? 'udp',
    address: options.address ?? '10.0.0.1',
    port: options.port ?? 5060
  }
  const counters = newCounters()
  const load = { behindMs: 0 }
  let engine: Engine | undefined
  const transport = network.port(at, () => engine!.transportEvents)
  engine = createEngine({
    clock,
    log: silentLog,
    timers: { ...defaultTimers, ...options.timers },
    limits: {
      message: defaultMessageLimits,
      transport: defaultTransportLimits,
      frame: 1_048_576,
      applications: 8,
      serverTransactions: options.serverTransactions ?? 10_000,
      overload: { ...defaultOverloadLimits, ...options.overload }
    },
    counters,
    transport,
    behindMs: () => load.behindMs,
    userAgent: null,
    options: options.options ?? {},
    outbound: options.outbound ?? null,
    names: options.names ?? createNames(),
    hosts: (name) => (name === 'peer.example' ? ['10.0.0.2'] : undefined)
  })
  return { engine, counters, at, load }
}

export function createBench(
  options: {
    transport?: TransportName
    network?: NetworkOptions
    timers?: Partial<EngineTimers>
    serverTransactions?: number
    overload?: Partial<OverloadLimits>
    options?: Partial<EngineOptions>
    outbound?: OutboundPorts
    names?: NameService
  } = {}
): Bench {
  const clock = manualClock()
  const network = createMemoryNetwork(clock, options.network)
  return { clock, network, ...createTestEngine(clock, network, options) }
}
