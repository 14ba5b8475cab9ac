import { Gauge, Registry } from 'prom-client'
import type { SuiteEvent } from './events.ts'

/** Which parts of the suite run; the edge is one, where it is embedded. Parts that are not set up are not there. */
export function partsMetrics(): { readonly registry: Registry; readonly take: (event: SuiteEvent) => void } {
  const registry = new Registry()
  const running = new Gauge({
    name: 'suite_part_running',
    help: 'Whether a part of the suite runs: 1, or 0 once it was lost',
    labelNames: ['part'] as const,
    registers: [registry]
  })
  const connected = new Gauge({
    name: 'sip_server_connected',
    help: 'Whether the application is connected to its SIP server',
    registers: [registry]
  })
  return {
    registry,
    take: (event) => {
      if (event.type === 'part') {
        const isRunning = event.state === 'started' || event.state === 'restarted'
        running.set({ part: event.part }, isRunning ? 1 : 0)
        // it has started when it is connected
        if (event.part === 'application') connected.set(isRunning ? 1 : 0)
      } else if (event.type === 'signalling') connected.set(event.state === 'connected' ? 1 : 0)
    }
  }
}
