import { randomFillSync } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

const idOctets = 16
/** Random octets of the next ids: to ask for those of each id alone takes 4 µs. */
const pool = Buffer.alloc(256 * idOctets)
let used = pool.length

/** From the system, which node:crypto asks too; to load that takes a short command 5 ms. */
function fillRandom(octets: Buffer): void {
  try {
    const file = openSync('/dev/urandom', 'r')
    try {
      if (readSync(file, octets) === octets.length) return
    } finally {
      closeSync(file)
    }
  } catch {
    // a system without it
  }
  randomFillSync(octets)
}

/** 32 lowercase hex digits: serves as a SIP `Session-ID` (RFC 7989 §5) and as the trace-id of a W3C `traceparent`. Never all zero. */
export function newTraceId(): string {
  if (used === pool.length) {
    fillRandom(pool)
    used = 0
  }
  used += idOctets
  return pool.toString('hex', used - idOctets, used)
}

const ownTraceId = /^(?!0{32})[0-9a-f]{32}$/
const foreignTraceId = /^[A-Za-z0-9._:@/+-]{1,128}$/

/** Whether `id` is a trace id that this suite could have made. */
export function isTraceId(id: string): boolean {
  return ownTraceId.test(id)
}

/**
 * Whether a trace id that a caller brought in `X-IF-Trace-ID` may be kept as it is: 1–128 characters of `A-Z a-z 0-9 . _ : @ / + -`.
 * Anything else is refused, so that caller input cannot reach a log line or a query as markup.
 */
export function isAcceptableTraceId(id: string): boolean {
  return foreignTraceId.test(id)
}
