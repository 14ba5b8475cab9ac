/** What stays for half a minute, apart from what lives for a moment. */

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

const scratch = Buffer.allocUnsafeSlow(1024)

/**
 * The same text (latin1) in memory of its own: a part of a text holds on to the whole, and one put together of parts to all of them.
 */
export function retainText(text: string): string {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1').toString('latin1')
  return scratch.toString('latin1', 0, scratch.write(text, 'latin1'))
}
