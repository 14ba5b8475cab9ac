/** Names that must be unique or hard to guess: tags, branches, the numbers that dialogs begin with. */
import { randomFillSync, randomInt } from 'node:crypto'
import { magicCookie } from '../codec/via.ts'

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
