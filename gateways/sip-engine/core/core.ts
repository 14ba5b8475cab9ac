/** What the parts of the service share. */
import type { Clock, Log } from '#kernel'
import type { EngineCounters } from '../common/stats.ts'
import type { EngineTimers } from '../common/timers.ts'
import type { Orphans } from '../dialog/orphans.ts'
import type { Sessions } from '../dialog/sessions.ts'
import type { Subscriptions } from '../dialog/subscriptions.ts'
import type { Routes } from '../drachtio/application.ts'
import type { CallRecords } from '../drachtio/cdr.ts'
import type { WireFacts } from '../drachtio/server-message.ts'
import type { Path, Paths } from '../next-hop/paths.ts'
import type { Overload } from '../overload/overload.ts'
import type { SipProxy } from '../proxy/proxy.ts'
import type { Transactions } from '../transaction/transactions.ts'
import type { TransportPort } from '../transport/port.ts'
import type { EngineLimits } from './config.ts'
import type { Outbound } from './outbound.ts'
import type { Screening } from './screening.ts'
import type { ApplicationRequests } from './uac/application-requests.ts'
import type { UserAgentClient } from './uac/uac.ts'
import type { UserAgentServer } from './uas/uas.ts'

export interface Core {
  readonly clock: Clock
  readonly log: Log
  readonly timers: EngineTimers
  readonly limits: EngineLimits
  readonly counters: EngineCounters
  readonly transport: TransportPort
  readonly transactions: Transactions
  readonly routes: Routes
  readonly paths: Paths
  readonly sessions: Sessions
  readonly overload: Overload
  readonly subscriptions: Subscriptions
  readonly uas: UserAgentServer
  readonly uac: UserAgentClient
  readonly requests: ApplicationRequests
  readonly proxy: SipProxy
  readonly outbound: Outbound
  readonly orphans: Orphans
  readonly records: CallRecords
  readonly screening: Screening
  /** Lower case; spelt on the wire as the application does. */
  readonly preserved: ReadonlySet<string>
  /** Current time as the application protocol writes it. */
  readonly time: () => string
  /** Value of User-Agent and Server on messages the engine makes by itself; null for none. */
  readonly userAgent: string | null
}

/** What a reply tells about a request that was sent: our address, or the far one of a connection. */
export function sentFacts(core: Core, bytes: Buffer, path: Path): WireFacts {
  const { listener, destination } = path
  const shown = listener.transport === 'udp' || destination === null ? listener : destination
  return { octets: bytes.length, transport: listener.transport, address: shown.address, port: shown.port, time: core.time() }
}
