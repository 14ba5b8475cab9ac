/** Writes SIP messages. Header text is latin1, one character per octet, as the parser reads it. */
import { isKnownHeader, writtenName } from './names.ts'

export type HeaderLine = readonly [name: string, value: string]

export interface OutgoingRequest {
  readonly method: string
  readonly uri: string
  /** In the order of the wire, without Content-Length. */
  readonly headers: readonly HeaderLine[]
  readonly body: Buffer
}

export interface OutgoingResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly HeaderLine[]
  readonly body: Buffer
}

export const emptyBody = Buffer.alloc(0)

export function encodeRequest(request: OutgoingRequest): Buffer {
  return encode(`${request.method} ${request.uri} SIP/2.0\r\n`, request.headers, request.body)
}

export function encodeResponse(response: OutgoingResponse): Buffer {
  return encode(`SIP/2.0 ${response.status} ${response.reason}\r\n`, response.headers, response.body)
}

/** Content-Length is computed; header fields unknown to the standards follow it. */
function encode(startLine: string, headers: readonly HeaderLine[], body: Buffer): Buffer {
  let text = startLine
  let unknown = ''
  for (const [name, value] of headers) {
    if (isKnownHeader(name)) text += `${name}: ${value}\r\n`
    else unknown += `${name}: ${value}\r\n`
  }
  text += `Content-Length: ${body.length}\r\n${unknown}\r\n`
  const out = Buffer.allocUnsafe(text.length + body.length)
  out.write(text, 0, 'latin1')
  body.copy(out, text.length)
  return out
}

/** A header line with its name as this stack writes it. */
export function headerLine(name: string, value: string): HeaderLine {
  return [writtenName(name), value]
}
