const start = Buffer.from('SIP/2.0 100')
const callIdHeader = /\r\n(?:Call-ID|i)[ \t]*:[ \t]*([^\s]{1,512})/i

/** Call-ID of a `100 Trying`, null for any other message. Looks at eleven octets of those. */
export function callIdOfTrying(bytes: Buffer): string | null {
  if (bytes.length < start.length || start.compare(bytes, 0, start.length) !== 0) return null
  return callIdHeader.exec(bytes.toString('latin1', 0, 4096))?.[1] ?? null
}
