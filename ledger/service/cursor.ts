/** Where a page of a query ended. A cursor belongs to the conditions it was given for, and holds for good: entries are only ever added. */
import { hash } from 'node:crypto'
import type { LedgerFilter } from '../read/entry-index.ts'
import { Problem } from './problem.ts'

const version = 1
const length = 15

const digestOf = ({ afterIndex: _, limit: __, ...conditions }: LedgerFilter): Buffer =>
  hash('sha256', JSON.stringify(Object.entries(conditions).sort()), 'buffer').subarray(0, 8)

/** `version (1) | leaf number of the last entry given (6) | digest of the conditions (8)`, base64url. */
export function formatCursor(filter: LedgerFilter, afterIndex: number): string {
  const cursor = Buffer.alloc(length)
  cursor[0] = version
  cursor.writeUIntBE(afterIndex, 1, 6)
  cursor.set(digestOf(filter), 7)
  return cursor.toString('base64url')
}

/** @returns the leaf number behind which the next page begins @throws {Problem} `invalid-cursor` */
export function parseCursor(filter: LedgerFilter, text: string): number {
  const cursor = Buffer.from(text, 'base64url')
  if (cursor.length !== length || cursor[0] !== version || cursor.toString('base64url') !== text) {
    throw new Problem('invalid-cursor', 'this is no cursor of this service')
  }
  if (!cursor.subarray(7).equals(digestOf(filter))) {
    throw new Problem('invalid-cursor', 'the cursor was given for other conditions')
  }
  return cursor.readUIntBE(1, 6)
}
