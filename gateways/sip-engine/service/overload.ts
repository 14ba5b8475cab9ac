/**
 * Which new requests are taken when there are more than the process can do. What is refused is refused before any work is done for it, so that
 * the calls that are taken are served in time; requests in a dialog, CANCEL and retransmissions are always served.
 *
 * @see RFC 7339 for the aim; the control here is local, by 503 and Retry-After (RFC 3261 §21.5.4).
 */

/** How the process did over the last interval. */
export interface LoadSample {
  /** For how long datagrams have been left over in a socket whenever it was read. */
  readonly standingMs: number
  /** How late the sample was taken. */
  readonly lagMs: number
}

export interface OverloadLimits {
  /** Datagrams that wait for longer than this take away from new requests. A shorter burst is worked off before callers repeat themselves (T1, 500 ms). */
  readonly standingMs: number
  /** An event loop that is later takes fewer new requests. */
  readonly lagMs: number
  /** An event loop so late reads no datagram that begins an INVITE, until the next sample: its sender has given up or will send again. */
  readonly hopelessMs: number
  /** New requests that wait for any answer of an application. */
  readonly waiting: number
}

export const defaultOverloadLimits: OverloadLimits = { standingMs: 250, lagMs: 300, hopelessMs: 2000, waiting: 1000 }

export interface Overload {
  readonly sampled: (sample: LoadSample) => void
  /**
   * Whether a new request is taken. One request gets one verdict as long as the load does not change: a retransmission of what was refused is
   * refused again.
   *
   * @param key of its server transaction.
   * @param waiting new requests that wait for an application.
   */
  readonly admits: (key: string, waiting: number) => boolean
  readonly hopeless: () => boolean
  /** Share of new requests that is taken, 0 to 1. */
  readonly share: () => number
}

/** Steps of the share: down when `patience` samples in a row were bad, one hiccup of the machine being none; again when that did not help; up with each good sample. */
const down = 0.75
const up = 0.05
const patience = 3
/** Never nothing: what is taken shows whether it goes again. */
const leastShare = 0.02

export function createOverload(limits: OverloadLimits): Overload {
  let share = 1
  let hopeless = false
  /** Samples until the next step down. */
  let wait = patience
  return {
    sampled: ({ standingMs, lagMs }) => {
      hopeless = lagMs >= limits.hopelessMs
      if (standingMs <= limits.standingMs && lagMs <= limits.lagMs) {
        share = Math.min(1, share + up)
        wait = share === 1 ? patience : 0
      } else if (wait > 0) wait--
      else {
        share = Math.max(leastShare, share * down)
        wait = patience
      }
    },
    admits: (key, waiting) => waiting < limits.waiting && (share === 1 || position(key) < share),
    hopeless: () => hopeless,
    share: () => share
  }
}

/** Places a key evenly in 0 to 1 (FNV-1a, its high bits mixed once more). */
function position(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return ((hash ^ (hash >>> 15)) >>> 0) / 0x1_0000_0000
}
