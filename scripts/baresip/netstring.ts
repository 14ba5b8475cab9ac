/** Netstrings, the framing of baresip's ctrl_tcp: `<length>:<octets>,`. @see https://cr.yp.to/proto/netstrings.txt */
import { DecodeError } from '#kernel'

const maxOctets = 65_536

export function encodeNetstring(text: string): Buffer {
  const octets = Buffer.from(text)
  return Buffer.concat([Buffer.from(`${octets.length}:`), octets, Buffer.from(',')])
}

/**
 * Takes every complete netstring from the front of `buffer`.
 *
 * @returns the texts, and what is left: the beginning of the next one.
 * @throws {DecodeError} `baresip.netstring` for a wrong length, a missing comma, or more than 65,536 octets.
 */
export function decodeNetstrings(buffer: Buffer): { readonly texts: readonly string[]; readonly rest: Buffer } {
  const texts: string[] = []
  let at = 0
  const wrong = (message: string) => new DecodeError('baresip.netstring', message, { path: 'netstring', bitOffset: at * 8 })
  for (;;) {
    const colon = buffer.indexOf(0x3a, at)
    const digits = buffer.toString('latin1', at, colon < 0 ? buffer.length : colon)
    if (!/^(0|[1-9]\d{0,4}|)$/.test(digits) || (colon >= 0 && digits === '')) throw wrong('not a length')
    if (colon < 0) break
    const length = Number(digits)
    if (length > maxOctets) throw wrong('too long')
    const end = colon + 1 + length
    if (buffer.length <= end) break
    if (buffer[end] !== 0x2c) throw wrong('no comma at the end')
    texts.push(buffer.toString('utf8', colon + 1, end))
    at = end + 1
  }
  return { texts, rest: buffer.subarray(at) }
}
