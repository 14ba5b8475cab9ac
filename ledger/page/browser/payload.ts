/** Payloads beside the log, held against what entries committed to. */
import type { OfflineData } from '../../export/offline-data.ts'
import type { LedgerEntry } from '../../log/entry.ts'
import type { Payload } from './audit.ts'
import { concat, fromBase64, hex, utf8 } from './octets.ts'
import type { Records } from './records.ts'
import { sha256 } from './sha256.ts'

const saltOctets = 32

export type OfflinePayload = NonNullable<OfflineData['payloads']>[number]

export const byIndex = (payloads: readonly OfflinePayload[]): ReadonlyMap<number, OfflinePayload> =>
  new Map(payloads.map((payload) => [payload.index, payload]))

/** What was told of an entry's payload; null where nothing was. SHA-256(salt ‖ payload) has to be the entry's commitment. */
export function payloadOf(told: OfflinePayload | undefined, records: Records, index: number): Payload | null {
  if (told === undefined) return null
  const position = records.positionOf(index)
  const commitment = position < 0 ? null : records.entry(position).payload.commitment
  const salt = fromBase64(told.salt)
  const good =
    typeof commitment === 'object' &&
    commitment !== null &&
    'alg' in commitment &&
    commitment.alg === 'sha256' &&
    salt?.length === saltOctets &&
    hex(sha256(concat(salt, utf8(told.payload)))) === commitment.hash
  return { text: told.payload, good }
}

/** What entries say of payloads beside them: which they commit to, and which were erased. */
export class Commitments {
  readonly #made = new Map<number, string>()
  readonly #erased = new Map<number, string>()

  take({ index, component, event, payload }: LedgerEntry): void {
    const { commitment, entry } = payload
    if (component === 'IF.witness.ledger' && event === 'payload_erased') this.#erased.set(Number(entry), String(commitment))
    else if (typeof commitment === 'object' && commitment !== null && 'hash' in commitment)
      this.#made.set(index, String(commitment.hash))
  }

  /** The first entry whose payload is gone though nothing tells that it was erased, and the first whose payload is there though something does; null for none. */
  against(payloads: ReadonlyMap<number, OfflinePayload>): { readonly gone: number | null; readonly returned: number | null } {
    let [gone, returned]: [number | null, number | null] = [null, null]
    for (const [index, hash] of this.#made) {
      const isErased = this.#erased.get(index) === hash
      if (payloads.has(index)) returned ??= isErased ? index : null
      else gone ??= isErased ? null : index
    }
    return { gone, returned }
  }
}
