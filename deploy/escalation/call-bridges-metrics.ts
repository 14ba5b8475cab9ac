import { Counter, Gauge, Registry } from 'prom-client'
import { type CallBridgeKind, type CallBridgeState, callBridgeKinds, callBridgeStates } from '#kernel'
import type { SuiteEvent } from '../events.ts'
import type { CallBridgesView } from './dial-in-bridges.ts'

const isKind = (name: string): name is CallBridgeKind => (callBridgeKinds as readonly string[]).includes(name)

export interface CallBridgeFigures {
  readonly registry: Registry
  readonly take: (event: SuiteEvent) => void
}

/** Figures of the bridges of calls. Labels are kinds of bridges and their states: all fixed. @param running those of calls that are not over */
export function callBridgeMetrics(running: () => readonly CallBridgesView[]): CallBridgeFigures {
  const registry = new Registry()
  const registers = [registry]
  new Gauge({
    name: 'call_bridges',
    help: 'Bridges of calls that are not over, by state; what is skipped is not counted',
    labelNames: ['bridge', 'state'] as const,
    registers,
    collect() {
      const counts = new Map<string, number>()
      const keyOf = (bridge: CallBridgeKind, state: CallBridgeState) => `${bridge} ${state}`
      for (const { bridges } of running())
        for (const { bridge, state, skipped } of bridges)
          if (skipped === null && isKind(bridge)) counts.set(keyOf(bridge, state), (counts.get(keyOf(bridge, state)) ?? 0) + 1)
      for (const bridge of callBridgeKinds)
        for (const state of callBridgeStates) this.set({ bridge, state }, counts.get(keyOf(bridge, state)) ?? 0)
    }
  })
  const changes = new Counter({
    name: 'call_bridge_changes_total',
    help: 'Changes of bridges to a state',
    labelNames: ['bridge', 'state'] as const,
    registers
  })
  const skips = new Counter({
    name: 'call_bridges_skipped_total',
    help: 'Bridges that were not opened because nothing is set for them',
    labelNames: ['bridge'] as const,
    registers
  })
  return {
    registry,
    take: (event) => {
      if (event.type !== 'call-bridge' || !isKind(event.bridge)) return
      const { bridge, state, skipped } = event
      if (skipped === null) changes.inc({ bridge, state })
      else skips.inc({ bridge })
    }
  }
}
