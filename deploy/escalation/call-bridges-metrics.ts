import { Counter, type Registry } from 'prom-client'
import { type CallBridgeKind, callBridgeKinds, callBridgeStates } from '#kernel'
import type { SuiteEvent } from '../events.ts'
import { openFigures } from '../figures.ts'
import type { CallBridgesView } from './dial-in-bridges.ts'

const isKind = (name: string): name is CallBridgeKind => (callBridgeKinds as readonly string[]).includes(name)

export interface CallBridgeFigures {
  readonly registry: Registry
  readonly take: (event: SuiteEvent) => void
}

/** Figures of the bridges of calls. Labels are kinds of bridges and their states: all fixed. @param running those of calls that are not over */
export function callBridgeMetrics(running: () => readonly CallBridgesView[]): CallBridgeFigures {
  const { registry, gauge } = openFigures()
  const registers = [registry]
  gauge(
    'call_bridges',
    'Bridges of calls that are not over, by state; what is skipped is not counted',
    ['bridge', 'state'],
    () => {
      const open = running().flatMap(({ bridges }) => bridges.filter(({ skipped }) => skipped === null))
      return callBridgeKinds.flatMap((bridge) =>
        callBridgeStates.map((state) => {
          const count = open.filter((each) => each.bridge === bridge && each.state === state).length
          return [{ bridge, state }, count] as const
        })
      )
    }
  )
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
