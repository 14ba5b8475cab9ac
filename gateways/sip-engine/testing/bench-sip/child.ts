/** The measured side of {@link startTopology}: begins with its settings, answers what it has used, ends with its parent. */
import type { EngineStats } from '#sip-engine'
import type { Usage } from './processes.ts'

type Order = { readonly start: unknown } | { readonly usage: boolean }

export function serveParent<S>(begin: (settings: S) => Promise<unknown>, stats: () => EngineStats | null): void {
  process.on('message', (order: Order) => {
    if ('start' in order) void begin(order.start as S).then((told) => process.send!(told))
    else process.send!(usage(order.usage, stats()))
  })
  process.on('disconnect', () => process.exit())
}

function usage(collect: boolean, stats: EngineStats | null): Usage {
  const { user, system } = process.cpuUsage()
  const residentBytes = process.memoryUsage.rss()
  if (collect) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { cpuMs: (user + system) / 1000, residentBytes, heapBytes: heapUsed + arrayBuffers, stats }
}
