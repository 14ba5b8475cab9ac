/** A stream of octets as chunks of a file. */
import { chunkOctets } from './link/messages.ts'
import { type EvidenceRefusal, refused } from './names.ts'

/**
 * Cuts a stream into chunks, of which one is kept in memory.
 *
 * @param write throws what this throws then
 * @param bytes that were declared: no more and no fewer are taken
 * @returns why it was not taken whole; null when it was
 */
export async function pour(
  octets: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array, sha256: null) => Promise<boolean>,
  bytes: number
): Promise<EvidenceRefusal | null> {
  const chunk = new Uint8Array(chunkOctets)
  let [filled, came] = [0, 0]
  for await (const part of octets) {
    came += part.length
    if (came > bytes) return refused('evidence.size', `more comes than the ${bytes} octets that were declared`)
    for (let at = 0; at < part.length; ) {
      const taken = Math.min(chunkOctets - filled, part.length - at)
      chunk.set(part.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (filled < chunkOctets) continue
      await write(chunk, null)
      filled = 0
    }
  }
  if (came < bytes) return refused('evidence.size', `${bytes} octets were declared, ${came} came`)
  if (filled > 0) await write(chunk.subarray(0, filled), null)
  return null
}
