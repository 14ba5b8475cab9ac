/**
 * Appends also what the log knows a key of that stands for something else: under another key, together with an entry that tells of it. So whoever plants keys in the store
 * takes no entry away, and leaves a trace beside each.
 */
import { createHash } from 'node:crypto'
import { errorCode, messageOf, type WitnessEvent } from '#kernel'
import { draftEntry, finishDraft, noPrevious, openEntry, timeFrom, timeTo } from '../log/entry.ts'
import { keyTaken } from '../store/known.ts'
import type { AppendItem } from '../store/store.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What goes into the log in place of an item: the same every time, whenever it was drafted, so that it is there once however often this is done. */
function retold(item: AppendItem, why: string, nowMs: number): readonly AppendItem[] {
  const [begin, between, behind] = item.draft
  const key = `retold:${sha256([item.key, begin, between, behind.slice(0, timeFrom), behind.slice(timeTo)].join('\n'))}`
  const { trace_id } = openEntry(Buffer.from(finishDraft(item.draft, 0, noPrevious)))
  const event: WitnessEvent = {
    event: 'witness_key_taken',
    component: 'IF.witness.keys',
    traceId: trace_id,
    payload: { key: item.key, toldAs: key, why }
  }
  return [
    { ...item, key },
    { draft: draftEntry(event, nowMs), key: `taken:${sha256(`${key}\n${why}`)}` }
  ]
}

/**
 * Appends all items, in order.
 *
 * @param append as Ledger.append, with an epoch of its own for each call
 * @param onTaken told of each item whose key was taken, as the log names both
 * @param now milliseconds since 1970
 * @throws what `append` throws, but for `ledger.append.key-taken`; items before the one that failed may be in the log, and can be appended again
 */
export async function appendRetold(
  append: (items: readonly AppendItem[]) => Promise<unknown>,
  items: readonly AppendItem[],
  onTaken: (why: string) => void,
  now: () => number
): Promise<void> {
  try {
    await append(items)
  } catch (error) {
    if (errorCode(error) !== keyTaken) throw error
    const again = (some: readonly AppendItem[]): Promise<void> => appendRetold(append, some, onTaken, now)
    if (items.length > 1) {
      const half = items.length >> 1
      await again(items.slice(0, half))
      await again(items.slice(half))
    } else {
      const why = messageOf(error)
      onTaken(why)
      await again(retold(items[0]!, why, now()))
    }
  }
}
