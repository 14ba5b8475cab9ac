/** What stays for half a minute, apart from what lives for a moment. */

const scratch = Buffer.allocUnsafeSlow(1024)

/**
 * The same text (latin1) in memory of its own: a part of a text holds on to the whole, and one put together of parts to all of them.
 */
export function retainText(text: string): string {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1').toString('latin1')
  return scratch.toString('latin1', 0, scratch.write(text, 'latin1'))
}
