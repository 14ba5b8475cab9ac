/**
 * A log that is served over HTTP, as a witness anywhere sees it: the head that waits, else the published one, and tiles to make proofs of. Nothing of it is
 * trusted: heads are signed, and a proof of bad tiles does not lead to them.
 *
 * @see C2SP tlog-tiles
 */
import { InfraFabricError } from '#kernel'
import { hashLength } from '../log/merkle.ts'
import { longestNote } from '../log/note.ts'
import type { TileReader } from '../log/prover.ts'
import { tileHashes, tileWidth } from '../log/tree.ts'

export interface LogClient {
  /** The head that waits for cosignatures, else the newest published one; null while there is none. */
  readonly head: () => Promise<{ readonly note: string; readonly waiting: boolean } | null>
  /** Tiles of the tree of `size` entries. */
  readonly tiles: (size: number) => TileReader
  /** Brings cosignatures for the head that waits: the head with their lines. False when it does not wait any more. */
  readonly bring: (note: string) => Promise<boolean>
}

const longestAnswer = 65_536

/** `x001/x234/067` for 1234067. */
function groupsOf(index: number): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0')
  const groups = digits.match(/.{3}/g)!
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
}

/**
 * @param url where the log is served, without the paths of the tiles
 * @param withinMs how long one answer may take
 * @throws {InfraFabricError} `ledger.log.url`; its functions `ledger.log.unreachable`, `ledger.log.answer`
 */
export function connectLog(url: string, withinMs = 10_000): LogClient {
  const base = URL.parse(url.endsWith('/') ? url : `${url}/`)
  if (base === null || !/^https?:$/.test(base.protocol) || base.search !== '' || base.hash !== '')
    throw new InfraFabricError('ledger.log.url', 'address of the log: expected http:// or https://, with nothing behind the path')
  const wrong = (path: string, problem: string) =>
    new InfraFabricError('ledger.log.answer', `log at ${base.origin}, ${path}: ${problem}`)

  const ask = async (
    path: string,
    most: number,
    body?: string
  ): Promise<{ readonly status: number; readonly octets: Buffer }> => {
    const parts: Uint8Array[] = []
    try {
      const answer = await fetch(new URL(path, base), {
        redirect: 'error',
        signal: AbortSignal.timeout(withinMs),
        ...(body === undefined ? {} : { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      })
      let octets = 0
      for await (const part of answer.body ?? []) {
        octets += part.length
        if (octets > most) throw wrong(path, `more than ${most} octets`)
        parts.push(part)
      }
      return { status: answer.status, octets: Buffer.concat(parts) }
    } catch (error) {
      if (error instanceof InfraFabricError) throw error
      const why = error instanceof Error ? String(error.cause ?? error.message) : String(error)
      throw new InfraFabricError('ledger.log.unreachable', `log at ${base.origin}, ${path}: ${why}`, { cause: error })
    }
  }

  /** Null where there is nothing. */
  const get = async (path: string, most: number): Promise<Buffer | null> => {
    const { status, octets } = await ask(path, Math.max(most, longestAnswer))
    if (status === 404) return null
    if (status !== 200) throw wrong(path, `status ${status}`)
    if (octets.length > most) throw wrong(path, `more than ${most} octets`)
    return octets
  }

  return {
    head: async () => {
      const waiting = await get('v1/witness/head', longestNote)
      const note = waiting ?? (await get('checkpoint', longestNote))
      return note === null ? null : { note: note.toString('utf8'), waiting: waiting !== null }
    },
    tiles: (size) => async (level, index) => {
      const width = Math.min(tileWidth, tileHashes(size, level) - index * tileWidth)
      const path = `tile/${level}/${groupsOf(index)}${width === tileWidth ? '' : `.p/${width}`}`
      const hashes = await get(path, width * hashLength)
      if (hashes?.length !== width * hashLength) throw wrong(path, `expected ${width} hashes`)
      return hashes
    },
    bring: async (note) => {
      const path = 'v1/witness/cosignatures'
      const { status } = await ask(path, longestAnswer, JSON.stringify({ note }))
      if (status === 200) return true
      if (status === 409) return false
      throw wrong(path, `status ${status}`)
    }
  }
}
