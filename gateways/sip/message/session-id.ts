const uuid = /^\s*([0-9a-f]{32})\s*(?:;|$)/
const nil = '0'.repeat(32)

/** The peer's half of a `Session-ID` header, the nil UUID when there is none that can be read. @see RFC 7989 §5 */
export function readPeerSessionId(value: string | undefined): string {
  return uuid.exec(value ?? '')?.[1] ?? nil
}

/** A `Session-ID` value: our trace id is our half. @see RFC 7989 §6, §7 */
export function formatSessionId(traceId: string, peer: string): string {
  return `${traceId};remote=${peer}`
}
