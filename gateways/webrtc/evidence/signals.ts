/**
 * Messages by which a page gets its data channels: JSON, one in each text message of a WebSocket (`/evidence`, subprotocol `evidence.1`).
 *
 *     page      join ──▶          service   answer | refused
 *     page   ◀── channel          one for each call
 *     page      opened ──▶
 */
import { z } from 'zod'
import { InfraFabricError } from '#kernel'

export const evidenceSubprotocol = 'evidence.1'
/** In octets of UTF-8: an offer of data channels alone has 600. */
export const largestEvidenceSignal = 16_384

const offer = z.string().min(1).max(largestEvidenceSignal)
const pageSignal = z.discriminatedUnion('type', [
  /** Opens the connection of a seat that is taken. */
  z.strictObject({ type: z.literal('join'), token: z.string().regex(/^[A-Za-z0-9_-]{43}$/), offer }),
  /** The channel of this call is open: messages may come. */
  z.strictObject({ type: z.literal('opened'), call: z.string().max(128) })
])
export type EvidencePageSignal = z.infer<typeof pageSignal>

export type EvidenceServiceSignal =
  | { readonly type: 'answer'; readonly sdp: string; readonly participant: string }
  /** A call has evidence: its channel is to be opened with this number, ordered and reliable. */
  | { readonly type: 'channel'; readonly call: string; readonly stream: number }
  | {
      readonly type: 'refused'
      readonly code: 'seat.unknown' | 'seat.taken-over' | 'connection.failed' | 'signal.invalid' | 'service.closed'
      readonly reason: string
    }

/** @throws {InfraFabricError} `evidence.signal.invalid` */
export function readEvidenceSignal(text: string): EvidencePageSignal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new InfraFabricError('evidence.signal.invalid', 'expected JSON')
  }
  const read = pageSignal.safeParse(value)
  if (read.success) return read.data
  throw new InfraFabricError('evidence.signal.invalid', 'no message of a page')
}
