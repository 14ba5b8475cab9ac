/**
 * Which new requests are taken when there are more than the process can do: on-off control by the age of the backlog. What would wait for longer
 * than `targetMs` is refused, at a small part of the cost of serving it; the rest is taken. So
 * the processor is never without work, and what is taken is served in time. Requests in a dialog, ACK, CANCEL and retransmissions are always
 * served.
 *
 * @see RFC 6357 for the ways to control overload, of which this is a local one; RFC 3261 §21.5.4 for the 503 that tells it.
 */

export interface OverloadLimits {
  /** The backlog must have stood for so long before anything is refused: a burst, or a hiccup of the machine, is worked off. */
  readonly patienceMs: number
  /** From then on, until the backlog has stayed below it for `calmMs`, new requests that would find an older one are refused. */
  readonly targetMs: number
  readonly calmMs: number
  /** New requests that wait for any answer of an application. More are refused. */
  readonly waiting: number
}

export const defaultOverloadLimits: OverloadLimits = { patienceMs: 1000, targetMs: 60, calmMs: 1000, waiting: 1000 }

export interface Overload {
  /** Whether requests may have to be refused, so that it is worth a look before they are read. */
  readonly pressed: (waiting: number) => boolean
  /**
   * Whether a new request is taken. One request gets one verdict for 64·T1: were a retransmission taken of what was refused, its caller would
   * have given up the call that an application answers.
   *
   * @param key of its server transaction.
   * @param waiting new requests that wait for an application.
   */
  readonly admits: (key: string, waiting: number) => boolean
}

/** @param behindMs age of the backlog, as the load meter has it. @param verdictMs for how long a refusal is remembered. */
export function createOverload(
  limits: OverloadLimits,
  parts: { readonly nowMs: () => number; readonly behindMs: () => number; readonly verdictMs: number }
): Overload {
  const { nowMs, behindMs } = parts
  const refused = createVerdicts(parts.verdictMs)
  let shedding = false
  let lastBehindMs = 0

  /** Whether a new request would find too old a backlog. */
  const isBehind = (): boolean => {
    const behind = behindMs()
    if (!shedding && behind < limits.patienceMs) return false
    const now = nowMs()
    if (behind > limits.targetMs) {
      shedding = true
      lastBehindMs = now
      return true
    }
    shedding = now - lastBehindMs < limits.calmMs
    return false
  }

  return {
    pressed: (waiting) => waiting >= limits.waiting || isBehind() || shedding,
    admits: (key, waiting) => {
      const hash = hashOf(key)
      const now = nowMs()
      if (refused.has(hash, now)) return false
      if (waiting < limits.waiting && !isBehind()) return true
      refused.add(hash, now)
      return false
    }
  }
}

/** Places of a power of two: what 64·T1 of refusals overwrite of each other is little, and harmless while it is seldom. */
const places = 65_536

/** Which requests were refused of late: their hashes in a table of fixed size, nothing of their texts. */
function createVerdicts(forMs: number) {
  let hashes: Int32Array | null = null
  let times: Float64Array | null = null
  let latestMs = Number.NEGATIVE_INFINITY
  return {
    has: (hash: number, nowMs: number): boolean => {
      if (hashes === null || times === null || nowMs - latestMs >= forMs) return false
      const place = hash & (places - 1)
      return hashes[place] === hash && nowMs - times[place]! < forMs
    },
    add: (hash: number, nowMs: number): void => {
      hashes ??= new Int32Array(places)
      times ??= new Float64Array(places).fill(Number.NEGATIVE_INFINITY)
      const place = hash & (places - 1)
      hashes[place] = hash
      times[place] = nowMs
      latestMs = nowMs
    }
  }
}

/** 32 bits that any change of the text changes (FNV-1a, mixed once more). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return hash ^ (hash >>> 15)
}
