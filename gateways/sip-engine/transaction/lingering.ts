/**
 * Server transactions that have had their final response and stay for timer J or L, to answer or absorb repeats of their request. A busy server has
 * far more of them than of any other kind, so each is a key and a few octets in a page that it shares with those made before and behind it.
 *
 * @see RFC 3261 §17.2.2, RFC 6026 §7.1
 */
import type { Clock } from '#kernel'

export interface Lingering {
  /** UUID by which the application knew the transaction. */
  readonly id: string
  readonly status: number
  /** What a repeat is answered with; null where it is only absorbed. */
  readonly response: Buffer | null
}

export interface LingeringStore {
  /** Keeps it for the time of the store. */
  readonly add: (key: string, transaction: Lingering) => void
  readonly get: (key: string) => Lingering | undefined
  readonly delete: (key: string) => void
  readonly size: () => number
  readonly close: () => void
}

interface Page {
  readonly bytes: Buffer
  used: number
  /** In order of expiry; they run in parallel. */
  readonly keys: string[]
  readonly dueMs: number[]
  /** Where the record of each begins: status (2 octets), length of the id (1), id, response. */
  readonly starts: number[]
}

const pageOctets = 65_536
const pageSlots = 1024
const headOctets = 3
/** So late a transaction may go, so that many go at once. */
const sweepMs = 50

/** @param most transactions that are kept; of more, the oldest go before their time. */
export function createLingeringStore(clock: Clock, forMs: number, most: number): LingeringStore {
  /** Number of the page, times `pageSlots`, and place in it. */
  const places = new Map<string, number>()
  const pages = new Map<number, Page>()
  let firstPage = 0
  let firstSlot = 0
  let lastPage = -1
  let cancelClock: (() => void) | null = null

  /** The oldest; undefined when there is none. */
  const oldest = (): Page | undefined => {
    for (;;) {
      const page = pages.get(firstPage)
      if (page === undefined || firstSlot < page.keys.length) return page
      pages.delete(firstPage++)
      firstSlot = 0
    }
  }

  const dropOldest = (page: Page): void => {
    const key = page.keys[firstSlot]!
    if (places.get(key) === firstPage * pageSlots + firstSlot) places.delete(key)
    firstSlot++
  }

  const sweep = (): void => {
    cancelClock = null
    const now = clock.monotonicMs()
    let page = oldest()
    for (; page !== undefined && page.dueMs[firstSlot]! <= now; page = oldest()) dropOldest(page)
    if (page !== undefined) arm(Math.max(sweepMs, page.dueMs[firstSlot]! - now))
  }

  const arm = (delayMs: number): void => {
    cancelClock = clock.after(delayMs, sweep)
  }

  const pageFor = (octets: number): Page => {
    const last = pages.get(lastPage)
    if (last !== undefined && last.keys.length < pageSlots && last.used + octets <= last.bytes.length) return last
    const page: Page = {
      bytes: Buffer.allocUnsafeSlow(Math.max(pageOctets, octets)),
      used: 0,
      keys: [],
      dueMs: [],
      starts: []
    }
    pages.set(++lastPage, page)
    return page
  }

  return {
    add: (key, { id, status, response }) => {
      const octets = headOctets + id.length + (response?.length ?? 0)
      const page = pageFor(octets)
      const start = page.used
      page.used += octets
      page.bytes.writeUInt16BE(status, start)
      page.bytes[start + 2] = id.length
      page.bytes.write(id, start + headOctets, 'latin1')
      response?.copy(page.bytes, start + headOctets + id.length)
      places.set(key, lastPage * pageSlots + page.keys.length)
      page.keys.push(key)
      page.dueMs.push(clock.monotonicMs() + forMs)
      page.starts.push(start)
      if (places.size > most) dropOldest(oldest()!)
      if (cancelClock === null) arm(forMs)
    },
    get: (key) => {
      const place = places.get(key)
      if (place === undefined) return undefined
      const { bytes, starts, used } = pages.get(Math.floor(place / pageSlots))!
      const slot = place % pageSlots
      const start = starts[slot]!
      const idStart = start + headOctets
      const idEnd = idStart + bytes[start + 2]!
      const end = starts[slot + 1] ?? used
      return {
        id: bytes.toString('latin1', idStart, idEnd),
        status: bytes.readUInt16BE(start),
        response: end === idEnd ? null : bytes.subarray(idEnd, end)
      }
    },
    delete: (key) => void places.delete(key),
    size: () => places.size,
    close: () => {
      cancelClock?.()
      cancelClock = null
      places.clear()
      pages.clear()
      firstPage = lastPage + 1
      firstSlot = 0
    }
  }
}
