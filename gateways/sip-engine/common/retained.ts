/** What stays while a call or a transaction does, apart from what lives for a moment. */

const scratch = Buffer.allocUnsafeSlow(1024)

/**
 * The same text (latin1) in memory of its own: a part of a text holds on to the whole, and one put together of parts to all of them.
 */
export function retainText(text: string): string {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1').toString('latin1')
  return scratch.toString('latin1', 0, scratch.write(text, 'latin1'))
}

/** A session description and its type, in memory of their own: a copy in a buffer would hold on to the pool that buffers are cut from. */
export interface RetainedBody {
  readonly type: string
  /** One character per octet. */
  readonly octets: string
}

export function retainBody(type: string, body: Buffer): RetainedBody {
  return { type: retainText(type), octets: body.toString('latin1') }
}
