/** Versions peers speak, by the protocol identifier they send. */

const h225Prefix = '0.0.8.2250.0.'
const h245Prefix = '0.0.8.245.0.'

/** What this library speaks. */
export const h225Version = 8
export const h245Version = 17
export const h225ProtocolIdentifier = `${h225Prefix}${h225Version}`
export const h245ProtocolIdentifier = `${h245Prefix}${h245Version}`

function versionOf(prefix: string, identifier: string | undefined): number | undefined {
  if (!identifier?.startsWith(prefix)) return undefined
  const version = Number(identifier.slice(prefix.length))
  return Number.isInteger(version) && version > 0 ? version : undefined
}

/** Version of H.225.0 in a protocolIdentifier; undefined where it says none (GnuGk sends an empty one). */
export const h225VersionOf = (protocolIdentifier: string | undefined): number | undefined =>
  versionOf(h225Prefix, protocolIdentifier)

/** Version of H.245 in the protocolIdentifier of a terminalCapabilitySet. */
export const h245VersionOf = (protocolIdentifier: string | undefined): number | undefined =>
  versionOf(h245Prefix, protocolIdentifier)

/** The version both sides know, given what the peer said; its absence counts as the oldest version seen in practice. */
export const commonVersion = (own: number, peer: number | undefined, oldest = 2): number => Math.min(own, peer ?? oldest)
