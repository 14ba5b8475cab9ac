import type { RunningGuard } from '#guard'
import type { Clock, Log } from '#kernel'
import type { SuiteConfig } from './config.ts'
import type { DataLayout } from './data.ts'
import type { Part } from './events.ts'
export interface EmbeddedEdge {
  readonly addresses: {
    readonly tls: { address: string; port: number }
    readonly udp: { address: string; port: number } | null
    readonly tcp: { address: string; port: number } | null
  }
  readonly certificateDaysLeft: () => number
  readonly registryChanged: () => Promise<readonly string[]>
  readonly stop: () => Promise<void>
}
export const startEmbeddedEdge = async (_: {
  config: SuiteConfig
  layout: DataLayout
  guard: RunningGuard
  app: { address: string; port: number }
  clock: Clock
  log: Log
  warn: (code: string, message: string) => void
  tellPart: (part: Part, state: 'lost' | 'restarted', detail: string | null) => void
}): Promise<EmbeddedEdge> => {
  throw new Error('pending')
}
