/**
 * Messages between page and service: JSON, one in each text message of a WebSocket. The first of a page is `join` or `resume`.
 *
 *     page      join | resume ──▶  service      answer | refused
 *     page      accepted      ──▶
 *     page  ◀── roster …           mute, hand ──▶ … leave
 */
import { InfraFabricError } from '#kernel'
import type { RosterMember } from './ports.ts'

/** What a page says. */
export type PageSignal =
  /** Takes the seat with a new connection. */
  | { readonly type: 'join'; readonly token: string; readonly offer: string }
  /** Goes on with the connection it had, with another way by ICE (RFC 8445 §2.4) or the same. */
  | { readonly type: 'resume'; readonly token: string; readonly offer: string }
  /** It has taken our answer; candidates it had gathered by then, by type (RFC 8839 §5.1), and how long that took. */
  | { readonly type: 'accepted'; readonly candidates: Readonly<Record<string, number>>; readonly gatheringMs: number }
  | { readonly type: 'mute'; readonly muted: boolean }
  | { readonly type: 'hand'; readonly raised: boolean }
  | { readonly type: 'leave' }

export type RefusalCode =
  | 'seat.unknown'
  | 'seat.gone'
  | 'seat.taken-over'
  | 'conference.refused'
  | 'connection.failed'
  | 'signal.invalid'
  | 'service.closed'

/** What the service says. After `refused` it closes. */
export type ServiceSignal =
  | { readonly type: 'answer'; readonly sdp: string; readonly participant: string; readonly conference: string }
  | { readonly type: 'roster'; readonly members: readonly RosterMember[] }
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly reason: string }

/** In octets of UTF-8: an offer with a camera has 6,000. */
export const largestSignal = 65_536

const candidateTypes = new Set(['host', 'srflx', 'prflx', 'relay'])
const isToken = (value: unknown): value is string => typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value)
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 1_000_000
const refuse = (path: string, message: string): never => {
  throw new InfraFabricError('webrtc.signal.invalid', path === '' ? message : `${path}: ${message}`)
}

function readCandidates(value: unknown): Record<string, number> {
  if (typeof value !== 'object' || value === null) return refuse('candidates', 'expected an object')
  const counts: Record<string, number> = {}
  for (const [type, count] of Object.entries(value)) {
    if (!candidateTypes.has(type) || !isCount(count))
      return refuse('candidates', 'expected counts of host, srflx, prflx and relay')
    counts[type] = count
  }
  return counts
}

/** Reads a page's message; members it does not know are passed over. @throws {InfraFabricError} `webrtc.signal.invalid` */
export function readPageSignal(text: string): PageSignal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refuse('', 'expected JSON')
  }
  if (typeof value !== 'object' || value === null) return refuse('', 'expected an object')
  const { type, token, offer, muted, raised, candidates, gatheringMs } = value as Record<string, unknown>
  switch (type) {
    case 'join':
    case 'resume':
      if (!isToken(token)) return refuse('token', 'expected a seat token')
      if (typeof offer !== 'string' || offer === '') return refuse('offer', 'expected a session description')
      return { type, token, offer }
    case 'accepted':
      if (!isCount(gatheringMs)) return refuse('gatheringMs', 'expected whole milliseconds')
      return { type, candidates: readCandidates(candidates), gatheringMs }
    case 'mute':
      if (typeof muted !== 'boolean') return refuse('muted', 'expected true or false')
      return { type, muted }
    case 'hand':
      if (typeof raised !== 'boolean') return refuse('raised', 'expected true or false')
      return { type, raised }
    case 'leave':
      return { type }
    default:
      return refuse('type', 'no message of a page')
  }
}
