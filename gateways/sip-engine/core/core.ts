/** What the parts of the service share. */
import { randomFillSync, randomInt } from 'node:crypto'
import type { Clock, Log } from '#kernel'
import { bracketed } from '../codec/uri.ts'
import { magicCookie } from '../codec/via.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { Orphans } from '../dialog/orphans.ts'
import type { Session, Sessions } from '../dialog/sessions.ts'
import type { Subscriptions } from '../dialog/subscriptions.ts'
import type { Routes } from '../drachtio/application.ts'
import type { CallRecords } from '../drachtio/cdr.ts'
import { type WireFacts, wireTime } from '../drachtio/server-message.ts'
import type { Path, Paths } from '../next-hop/paths.ts'
import type { Overload } from '../overload/overload.ts'
import type { SipProxy } from '../proxy/proxy.ts'
import type { Transactions } from '../transaction/transactions.ts'
import type { Listener, TransportPort } from '../transport/port.ts'
import type { EngineLimits, EngineTimers } from './config.ts'
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

const tokenBytes = 8
const pool = Buffer.alloc(512 * tokenBytes)
let poolAt = pool.length

/**
 * 64 random bits in hex: tags and branches need to be unique and hard to guess (RFC 3261 §19.3). Drawn from the system's generator many at a
 * time, since one call costs as much as reading a message.
 */
export function newToken(): string {
  if (poolAt === pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  const token = pool.toString('hex', poolAt, poolAt + tokenBytes)
  poolAt += tokenBytes
  return token
}

const steadySeed = randomInt(2 ** 32)

/** The same 64 bits in hex whenever the same text is given, different in each process (FNV-1a, twice). */
export function steadyToken(text: string): string {
  let [high, low] = [steadySeed, ~steadySeed]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code ^ (high >>> 16), 0x01000193)
  }
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0')
}

/** Tag of a dialog of ours: a token and a check that tells it from the tags of others, also when the dialog is long gone. */
export function newDialogTag(): string {
  const token = newToken()
  return token + steadyToken(token).slice(0, 4)
}

export function isDialogTag(tag: string): boolean {
  return tag.length === 2 * tokenBytes + 4 && steadyToken(tag.slice(0, 2 * tokenBytes)).startsWith(tag.slice(2 * tokenBytes))
}

export function newBranch(): string {
  return magicCookie + newToken()
}

/** First CSeq of a dialog: random and below 2^30, so that it can count up for long (RFC 3261 §8.1.1.5). */
export function newCSeq(): number {
  return randomInt(1, 0x4000_0000)
}

export function hostPort(endpoint: { readonly address: string; readonly port: number }): string {
  return `${bracketed(endpoint.address)}:${endpoint.port}`
}

/** Contact of this engine at a listener. */
export function ownContact(listener: Listener): string {
  const where = hostPort(listener)
  if (listener.transport === 'udp') return `<sip:${where}>`
  // RFC 7118 §5.2.2: there is no `transport=wss`; a WebSocket inside TLS is `ws` in a `sips:` URI.
  if (listener.transport === 'wss') return `<sips:${where};transport=ws>`
  return `<${listener.transport === 'tls' ? 'sips' : 'sip'}:${where};transport=${listener.transport}>`
}

/** Wall time with microseconds: the wall clock read once, carried on by the monotonic clock, read again when the two part by 50 ms. */
export function createTime(clock: Clock): () => string {
  let offset = clock.now() - clock.monotonicMs()
  return () => {
    const wall = clock.now()
    let now = clock.monotonicMs() + offset
    if (Math.abs(now - wall) > 50) {
      offset += wall - now
      now = wall
    }
    return wireTime(now)
  }
}

/** Number of the next request in a session's dialog, which remembers it. */
export function nextCSeq(session: Session): number {
  const cseq = session.dialog.localCSeq === 0 ? newCSeq() : session.dialog.localCSeq + 1
  session.dialog = { ...session.dialog, localCSeq: cseq }
  return cseq
}

/** What a reply tells about a request that was sent: our address, or the far one of a connection. */
export function sentFacts(core: Core, bytes: Buffer, path: Path): WireFacts {
  const { listener, destination } = path
  const shown = listener.transport === 'udp' || destination === null ? listener : destination
  return { octets: bytes.length, transport: listener.transport, address: shown.address, port: shown.port, time: core.time() }
}
