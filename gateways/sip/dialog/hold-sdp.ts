const direction = /^a=(?:sendrecv|sendonly|recvonly|inactive)\r?$/gm
const origin = /^(o=\S+ \S+ )(\d{1,19})( .*)$/m

/**
 * A session description of ours with another direction: `inactive` puts the other side on hold so that neither hears the other, `sendrecv` resumes.
 *
 * @see RFC 3264 §8.4, RFC 6337 §5.3
 */
export function withDirection(sdp: string, wanted: 'sendrecv' | 'inactive'): string {
  if (/^a=(?:sendrecv|sendonly|recvonly|inactive)\r?$/m.test(sdp))
    return sdp.replace(direction, (line) => (line.endsWith('\r') ? `a=${wanted}\r` : `a=${wanted}`))
  return `${sdp}a=${wanted}\r\n`
}

/** Gives the session descriptions of one dialog versions that grow by one with each that differs from the one before. @see RFC 3264 §8 */
export function createVersioning(): (sdp: string) => string {
  let last: { readonly text: string; readonly version: bigint } | null = null
  return (sdp) => {
    const match = origin.exec(sdp)
    if (match === null) return sdp
    const text = sdp.replace(origin, '$1-$3')
    const version: bigint = last === null ? BigInt(match[2]!) : last.text === text ? last.version : last.version + 1n
    last = { text, version }
    return sdp.replace(origin, (_line, before: string, _version, after: string) => `${before}${version}${after}`)
  }
}
