/**
 * Entries as they come, as server-sent events: `id` is the leaf number, so that a client that lost its connection goes on behind the last entry it has.
 *
 * @see WHATWG HTML §9.2
 */
import { type Clock, InfraFabricError } from '#kernel'
import type { LedgerFilter } from '../read/entry-index.ts'
import type { LedgerReader } from '../read/reader.ts'
import { readPage } from './read-pages.ts'
import { entryJson } from './schemas.ts'

export interface FollowSettings {
  readonly clock: Clock
  /** How often the log is looked at, in milliseconds. */
  readonly pollMs: number
  /** A comment is sent after so long without an entry, in milliseconds. */
  readonly heartbeatMs: number
  /** Asked at each heartbeat: whether the caller may go on. */
  readonly isAllowed: () => boolean
}

const entriesOfRead = 50

/**
 * Sends entries until `signal` is aborted.
 *
 * @param send resolves when the client has room for more
 */
export async function follow(
  reader: LedgerReader,
  filter: LedgerFilter,
  settings: FollowSettings,
  send: (text: string) => Promise<void>,
  signal: AbortSignal
): Promise<void> {
  const { clock, pollMs, heartbeatMs, isAllowed } = settings
  let afterIndex = filter.afterIndex ?? -1
  let size = -1
  let sentMs = clock.monotonicMs()
  await send('retry: 1000\n\n')
  while (!signal.aborted) {
    const now = (await reader.log.head()).size
    const { entries, ended } =
      now === size ? { entries: [], ended: true } : await readPage(reader, { ...filter, afterIndex }, entriesOfRead)
    for (const stored of entries) {
      if (signal.aborted) return
      await send(`id: ${stored.entry.index}\nevent: entry\ndata: ${JSON.stringify(entryJson(stored))}\n\n`)
      afterIndex = stored.entry.index
      sentMs = clock.monotonicMs()
    }
    if (!ended) continue
    size = now
    if (clock.monotonicMs() - sentMs >= heartbeatMs) {
      if (!isAllowed()) throw new InfraFabricError('ledger.service.revoked', 'the token is no longer good')
      await send(': still here\n\n')
      sentMs = clock.monotonicMs()
    }
    await pause(clock, pollMs, signal)
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(ms, end)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
