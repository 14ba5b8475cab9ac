/**
 * What goes between a sandbox's process and its host: each side in turn sends one frame.
 *
 *     | octets of the head, u32 LE | octets of the body, u32 LE | head: JSON | body |
 */
export const maxHeadOctets = 8192
/** Of what a sandbox sends; the host's first answer holds the module. */
export const maxBodyOctets = 256 << 10

export function encodeFrame(head: object, body: Uint8Array = new Uint8Array(0)): Buffer {
  const text = Buffer.from(JSON.stringify(head))
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32LE(text.length, 0)
  lengths.writeUInt32LE(body.length, 4)
  return Buffer.concat([lengths, text, body])
}
