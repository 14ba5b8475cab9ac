/** What a capture or a counter wants of a message, read from its octets without parsing the whole. */

export interface Glance {
  /** Method of the request, or of the request that a response answers; empty when the message does not say. */
  readonly method: string
  /** 0 for a request. */
  readonly status: number
}

/** Start lines and the header fields in question lie in front; nothing behind these octets is looked at. */
const reach = 8192
const requestLine = /^([A-Za-z0-9\-.!%*_+`'~]{1,64}) \S+ SIP\/2\.0\r\n/
const statusLine = /^SIP\/2\.0 ([1-6]\d\d) /
const cseqLine = /\r\ncseq[ \t]*:[ \t]*\d+[ \t]+([A-Za-z0-9\-.!%*_+`'~]{1,64})[ \t]*\r\n/i
const callIdLine = /\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r\n/i

/** Undefined for octets that do not begin like SIP. */
export function glance(bytes: Buffer): Glance | undefined {
  const text = bytes.toString('latin1', 0, reach)
  const status = statusLine.exec(text)
  if (status !== null) return { method: cseqLine.exec(text)?.[1] ?? '', status: Number(status[1]) }
  const request = requestLine.exec(text)
  return request === null ? undefined : { method: request[1]!, status: 0 }
}

/** Value of the first Call-ID field. */
export function callIdOf(bytes: Buffer): string | undefined {
  const value = callIdLine.exec(bytes.toString('latin1', 0, reach))?.[1]
  return value === '' ? undefined : value
}
