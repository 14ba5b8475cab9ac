/** Whose certificate this is, in the terms of SIP. */
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls'
import type { PeerIdentity } from './port.ts'

/**
 * SIP domains of a certificate: the `sip:` URIs among its alternative names; where it has none, its DNS names; without any alternative name
 * of these kinds, its common name.
 *
 * @param alternativeNames as Node writes them: `DNS:a.example, URI:sip:b.example, IP Address:192.0.2.1`.
 * @see RFC 5922 §7.1
 */
export function sipDomains(alternativeNames: string | undefined, commonName: string | undefined): string[] {
  const uris: string[] = []
  const names: string[] = []
  let others = 0
  for (const entry of splitNames(alternativeNames ?? '')) {
    const colon = entry.indexOf(':')
    const kind = entry.slice(0, colon)
    const value = plain(entry.slice(colon + 1)).toLowerCase()
    if (kind === 'DNS') names.push(value)
    else if (kind === 'URI') {
      if (!value.startsWith('sip:')) others++
      // A URI with a user part names a user, not a domain.
      else if (!value.includes('@')) uris.push(value.slice(4))
    }
  }
  if (uris.length > 0) return uris
  if (names.length > 0 || others > 0) return names
  return commonName === undefined || isIP(commonName) !== 0 ? [] : [commonName.toLowerCase()]
}

/** Entries stand apart by a comma and a blank; those in which such a character stands are quoted. */
function splitNames(text: string): string[] {
  return text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g)?.map((entry) => entry.trim()) ?? []
}

function plain(value: string): string {
  if (!value.startsWith('"')) return value
  try {
    return String(JSON.parse(value))
  } catch {
    return value
  }
}

/**
 * Whether a server's certificate is for the name or address that was dialled. Names match whole, a wildcard matches nothing (RFC 5922 §7.2);
 * addresses are looked for among the alternative names.
 */
export function checkSipServer(host: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(host) !== 0) return checkServerIdentity(host, certificate)
  const name = certificate.subject?.CN
  const domains = sipDomains(certificate.subjectaltname, Array.isArray(name) ? name[0] : name)
  if (domains.includes(host.toLowerCase())) return undefined
  return new Error(`certificate is not for ${host} but for ${domains.join(', ') || 'no SIP domain'}`)
}

/** The identity of the peer of a finished handshake; null when it showed no certificate. */
export function peerIdentity(socket: TLSSocket): PeerIdentity | null {
  const certificate = socket.getPeerCertificate()
  if (certificate.fingerprint256 === undefined) return null
  const { subject } = certificate
  const name = Array.isArray(subject?.CN) ? subject.CN[0] : subject?.CN
  return {
    authorized: socket.authorized,
    domains: sipDomains(certificate.subjectaltname, name),
    subject: Object.entries(subject ?? {})
      .flatMap(([key, value]) => [value ?? []].flat().map((each) => `${key}=${each}`))
      .join(', '),
    fingerprint256: certificate.fingerprint256
  }
}
