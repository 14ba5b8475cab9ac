import { type KeyObject, X509Certificate } from 'node:crypto'
import { DecodeError } from '#kernel'
import { derElement, derElements, derTag, explicitTag, oidText } from './der.ts'
import { isP256 } from './passport.ts'
import { decodeTnAuthList, type TnAuthList } from './tn-auth-list.ts'

/** A certificate and what of it the path is checked by. */
export interface ReadCertificate {
  readonly x509: X509Certificate
  readonly notBefore: number
  readonly notAfter: number
  /** basicConstraints says that it may issue others. */
  readonly isAuthority: boolean
  /** Certificates of authorities that may follow it toward the leaf; null for any number. */
  readonly pathLength: number | null
  /** keyUsage; null when the extension is not there. */
  readonly usage: { readonly digitalSignature: boolean; readonly keyCertSign: boolean } | null
  readonly tnAuthList: TnAuthList | null
  /** Extensions that limit what the certificate is good for, and that are not understood here. */
  readonly notUnderstood: readonly string[]
}

/** A leaf whose path ends at an anchor, and the time in which the whole path is good. Milliseconds since 1970. */
export interface TrustedLeaf {
  readonly key: KeyObject
  readonly tnAuthList: TnAuthList
  /** Whether subjectAltName names this domain: whole, no wildcard, and not by the subject (RFC 5922 §7.2). */
  readonly namesDomain: (host: string) => boolean
  readonly notBefore: number
  readonly notAfter: number
}

const longestPath = 6
const oids = {
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  tnAuthList: '1.3.6.1.5.5.7.1.26',
  jwtClaimConstraints: '1.3.6.1.5.5.7.1.27'
}
/** They say nothing that a path is refused for. */
const harmless: ReadonlySet<string> = new Set([
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.17', // subjectAltName
  '2.5.29.31', // cRLDistributionPoints
  '2.5.29.32', // certificatePolicies
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.37' // extKeyUsage
])

const fail = (message: string): never => {
  throw new DecodeError('guard.identity.certificate', message, { path: 'certificate', bitOffset: 0 })
}

/**
 * Reads the certificates of a PEM file, the leaf first.
 *
 * @throws {DecodeError} `guard.identity.certificate`
 */
export function readCertificates(pem: string, most = longestPath): ReadCertificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0 || blocks.length > most) fail(`expected 1 to ${most} certificates`)
  return blocks.map((block) => {
    let x509: X509Certificate
    try {
      x509 = new X509Certificate(block)
    } catch {
      return fail('a certificate cannot be read')
    }
    return readCertificate(x509)
  })
}

/** @see RFC 5280 §4.1, §4.2 */
function readCertificate(x509: X509Certificate): ReadCertificate {
  const certificate = derElements(derElement(x509.raw, derTag.sequence))
  const fields = derElements(certificate[0]?.content ?? fail('no certificate'))
  const wrapped = fields.find(({ tag }) => tag === explicitTag(3))
  const extensions = wrapped === undefined ? [] : derElements(derElement(wrapped.content, derTag.sequence))
  let isAuthority = false
  let pathLength: number | null = null
  let usage: ReadCertificate['usage'] = null
  let tnAuthList: TnAuthList | null = null
  const notUnderstood: string[] = []
  const seen = new Set<string>()
  for (const { content } of extensions) {
    const parts = derElements(content)
    const value = parts.at(-1)
    if (parts[0]?.tag !== derTag.oid || value?.tag !== derTag.octetString) return fail('an extension cannot be read')
    const oid = oidText(parts[0].content)
    const isCritical = parts[1]?.tag === derTag.boolean && parts[1].content[0] !== 0
    if (seen.has(oid)) return fail('an extension is there twice')
    seen.add(oid)
    if (oid === oids.basicConstraints) {
      const [authority, length] = derElements(derElement(value.content, derTag.sequence))
      isAuthority = authority?.tag === derTag.boolean && authority.content[0] !== 0
      if (length?.tag === derTag.integer)
        pathLength = length.content.length === 1 ? length.content[0]! : fail('path length too large')
    } else if (oid === oids.keyUsage) {
      const bits = derElement(value.content, derTag.bitString)[1] ?? 0
      usage = { digitalSignature: (bits & 0x80) !== 0, keyCertSign: (bits & 0x04) !== 0 }
    } else if (oid === oids.tnAuthList) tnAuthList = decodeTnAuthList(value.content)
    // RFC 8226 §8: a verifier has to keep to these constraints, critical or not
    else if (oid === oids.jwtClaimConstraints || (isCritical && !harmless.has(oid))) notUnderstood.push(oid)
  }
  const { validFromDate, validToDate } = x509
  return {
    x509,
    notBefore: validFromDate.getTime(),
    notAfter: validToDate.getTime(),
    isAuthority,
    pathLength,
    usage,
    tnAuthList,
    notUnderstood
  }
}

/**
 * Follows a path from the leaf to an anchor: each certificate signed by the next, authorities that may be such, no constraint that is not understood, and a leaf
 * on P-256 with a TNAuthList.
 *
 * @param given the leaf first; others in any order.
 * @returns the leaf, or why it is not trusted; dates are not looked at, they are in what is returned
 * @see RFC 5280 §6.1, RFC 8226 §9
 */
export function followPath(given: readonly ReadCertificate[], anchors: readonly ReadCertificate[]): TrustedLeaf | string {
  const [leaf, ...others] = given as readonly [ReadCertificate, ...ReadCertificate[]]
  if (leaf.tnAuthList === null) return 'the certificate names no numbers and no provider (TNAuthList)'
  if (!isP256(leaf.x509.publicKey)) return 'the key of the certificate is not on P-256'
  if (leaf.usage !== null && !leaf.usage.digitalSignature) return 'the certificate is not for signatures'
  let notBefore = leaf.notBefore
  let notAfter = leaf.notAfter
  let current = leaf
  for (let below = 0; below < longestPath; below++) {
    if (current.notUnderstood.length > 0)
      return `a certificate has the extension ${current.notUnderstood[0]}, which is not understood`
    notBefore = Math.max(notBefore, current.notBefore)
    notAfter = Math.min(notAfter, current.notAfter)
    if (anchors.some(({ x509 }) => x509.raw.equals(current.x509.raw)))
      return {
        key: leaf.x509.publicKey,
        tnAuthList: leaf.tnAuthList,
        namesDomain: (host) => leaf.x509.checkHost(host, { subject: 'never', wildcards: false }) !== undefined,
        notBefore,
        notAfter
      }
    const issued = ({ x509 }: ReadCertificate): boolean => current.x509.checkIssued(x509) && current.x509.verify(x509.publicKey)
    const issuer = anchors.find(issued) ?? others.find((other) => other !== current && issued(other))
    if (issuer === undefined) return 'the path of the certificate ends at no anchor'
    if (!issuer.isAuthority || issuer.usage?.keyCertSign === false) return 'the certificate was issued by one that may not issue'
    if (issuer.pathLength !== null && below > issuer.pathLength) return 'the path is longer than an authority allows'
    current = issuer
  }
  return 'the path of the certificate is too long'
}
