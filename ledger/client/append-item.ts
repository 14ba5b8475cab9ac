import { InfraFabricError, type WitnessEvent } from '#kernel'
import { commitmentOf, commitTo } from '../log/commitment.ts'
import { draftEntry, maxPayloadOctets } from '../log/entry.ts'
import { signEvent } from '../log/entry-signature.ts'
import type { NoteSigner } from '../log/note.ts'
import type { AppendItem } from '../store/store.ts'

/**
 * An event on its way into the log. What is erasable of it goes beside the log; the entry commits to it.
 *
 * @param timeMs when the event was told, milliseconds since 1970
 * @param key idempotency key
 * @param signer key of the producer, which signs the entry; left out: only the log's signature stands over it
 * @throws {InfraFabricError} as {@link draftEntry}
 */
export function appendItem(event: WitnessEvent, timeMs: number, key: string, signer?: NoteSigner): AppendItem {
  const draftOf = (told: WitnessEvent) => draftEntry(signer === undefined ? told : signEvent(told, timeMs, signer), timeMs)
  if (event.erasable === undefined) {
    const draft = draftOf(event)
    if (commitmentOf(event.payload) !== null) {
      throw new InfraFabricError('ledger.entry.invalid', 'payload: a commitment to something that is not given')
    }
    return { draft, key }
  }
  const { erasable: toKeepBeside, ...told } = event
  if (typeof toKeepBeside !== 'object' || toKeepBeside === null || Array.isArray(toKeepBeside)) {
    throw new InfraFabricError('ledger.entry.invalid', 'erasable: expected an object')
  }
  if ('commitment' in told.payload) {
    throw new InfraFabricError('ledger.entry.invalid', 'payload: the member commitment is for the hash of what is erasable')
  }
  const { commitment, erasable } = commitTo(toKeepBeside)
  if (Buffer.byteLength(erasable.payload) > maxPayloadOctets) {
    throw new InfraFabricError('ledger.entry.too-large', `an erasable payload has at most ${maxPayloadOctets} octets`)
  }
  return { draft: draftOf({ ...told, payload: { ...told.payload, commitment } }), key, erasable }
}
