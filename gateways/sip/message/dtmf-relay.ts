/** Media types in which phones send keys by INFO. */
export const dtmfMediaTypes = ['application/dtmf-relay', 'application/dtmf'] as const

export interface Key {
  /** 0–9 * # A–D */
  readonly digit: string
  /** 0 when the phone does not say. */
  readonly durationMs: number
}

/**
 * Reads a key from an INFO body: `Signal=5\r\nDuration=160` (dtmf-relay) or `5` alone (dtmf). No standard defines these forms; phones agree on them.
 *
 * @returns null when the body names no single key.
 */
export function readDtmfInfo(mediaType: string, body: string): Key | null {
  if (body.length > 256) return null
  if (mediaType === 'application/dtmf') {
    const digit = /^\s*([0-9*#A-Da-d])\s*$/.exec(body)?.[1]
    return digit === undefined ? null : { digit: digit.toUpperCase(), durationMs: 0 }
  }
  const digit = /^\s*Signal\s*=\s*([0-9*#A-Da-d])\s*$/im.exec(body)?.[1]
  if (digit === undefined) return null
  return { digit: digit.toUpperCase(), durationMs: Number(/^\s*Duration\s*=\s*(\d{1,6})\s*$/im.exec(body)?.[1] ?? 0) }
}
