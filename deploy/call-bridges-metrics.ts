import { Counter, Gauge, Registry } from 'prom-client'
import type { Escalator } from '#escalate'
import { type CallBridgeState, callBridgeStates } from '#kernel'

const kinds = ['h323', 'webrtc', 'ndi'] as const
type Kind = (typeof kinds)[number]
const isKind = (name: string): name is Kind => (kinds as readonly string[]).includes(name)

export interface CallBridgeFigures {
  readonly registry: Registry
  /** From now on its bridges are counted. */
  readonly follow: (escalator: Escalator) => void
}

/** Figures of the bridges of calls. Labels are kinds of bridges and their states: all fixed. */
export function callBridgeMetrics(): CallBridgeFigures {
  const registry = new Registry()
  const registers = [registry]
  let escalator: Escalator | null = null
  new Gauge({
    name: 'call_bridges',
    help: 'Bridges of calls that are not over, by state; what is skipped is not counted',
    labelNames: ['bridge', 'state'] as const,
    registers,
    collect() {
      const counts = new Map<string, number>()
      const keyOf = (bridge: Kind, state: CallBridgeState) => `${bridge} ${state}`
      for (const { state: call, bridges } of escalator?.list() ?? [])
        for (const { bridge, state, skipped } of bridges)
          if (call !== 'ended' && skipped === null && isKind(bridge))
            counts.set(keyOf(bridge, state), (counts.get(keyOf(bridge, state)) ?? 0) + 1)
      for (const bridge of kinds)
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
    follow: (running) => {
      escalator = running
      running.events.subscribe((event) => {
        if (event.type !== 'bridge' || !isKind(event.bridge.bridge)) return
        const { bridge, state, skipped } = event.bridge
        if (skipped === null) changes.inc({ bridge, state })
        else skips.inc({ bridge })
      })
    }
  }
}
