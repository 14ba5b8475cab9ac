import { InfraFabricError } from '#kernel'
import { canonicalize } from '../log/canonical.ts'
import { commitmentOf, isCommittedTo } from '../log/commitment.ts'
import { draftEntry, maxPayloadOctets } from '../log/entry.ts'
import type { AppendItem } from '../store/store.ts'
import { Problem } from './problem.ts'
import type { WireEntry } from './schemas.ts'
import type { Caller } from './tokens.ts'

/** Whether the text is the canonical form of an object. */
function isCanonicalObject(text: string): boolean {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) && canonicalize(value) === text
  } catch {
    return false
  }
}

/** Keys belong to a name, so that no producer can take a place that another's entry would have. A name holds no `_`. */
const keyOf = (caller: Pick<Caller, 'name'>, key: string): string => `${caller.name}_${key}`

/**
 * What a producer sent, as items of the log.
 *
 * @param nowMs time of entries that bring none
 * @throws {Problem} `invalid-entry`, naming every entry that cannot be taken
 */
export function takeEntries(entries: readonly WireEntry[], caller: Caller, nowMs: number): AppendItem[] {
  const errors: { at: string; message: string; code?: string }[] = []
  const items: AppendItem[] = []
  for (const [number, { key, time, erasable, ...told }] of entries.entries()) {
    const at = `entries.${number}`
    try {
      const draft = draftEntry(told as Parameters<typeof draftEntry>[0], time === undefined ? nowMs : Date.parse(time))
      const commitment = commitmentOf(told.payload)
      if (erasable === undefined && commitment !== null) {
        errors.push({ at: `${at}.payload.commitment`, message: 'expected what it commits to, as erasable' })
        continue
      }
      if (erasable !== undefined) {
        if (commitment === null || !isCommittedTo(commitment, erasable) || !isCanonicalObject(erasable.payload)) {
          errors.push({ at: `${at}.erasable`, message: 'expected what payload.commitment commits to, as canonical JSON' })
          continue
        }
        if (Buffer.byteLength(erasable.payload) > maxPayloadOctets) {
          errors.push({ at: `${at}.erasable`, message: `more than ${maxPayloadOctets} octets` })
          continue
        }
      }
      items.push({ draft, key: keyOf(caller, key), ...(erasable === undefined ? {} : { erasable }) })
    } catch (error) {
      const known = error instanceof InfraFabricError
      errors.push({ at, message: known ? error.message : 'cannot be taken', ...(known ? { code: error.code } : {}) })
    }
  }
  if (errors.length > 0) throw new Problem('invalid-entry', 'none of the entries was taken', { errors })
  return items
}
