/** Octets that stay for half a minute, apart from those that live for a moment. */

const slabSize = 65_536
const largest = 4096
let slab = Buffer.allocUnsafeSlow(slabSize)
let at = 0

/**
 * A copy for the time of a lingering transaction. Copies that are made one after the other lie one behind the other and go together; the
 * pool that `Buffer.allocUnsafe` fills would be kept whole by the few responses in it.
 */
export function retain(bytes: Buffer): Buffer {
  if (bytes.length > largest) return bytes
  if (at + bytes.length > slabSize) {
    slab = Buffer.allocUnsafeSlow(slabSize)
    at = 0
  }
  bytes.copy(slab, at)
  const copy = slab.subarray(at, at + bytes.length)
  at += bytes.length
  return copy
}
