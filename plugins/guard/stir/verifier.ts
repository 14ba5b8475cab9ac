/** Verifies Identity headers: who vouches for the number a call shows. */
import { type Clock, ConfigError, DecodeError, messageOf } from '#kernel'
import { parseAddressOfRecord } from '../sip-uri.ts'
import { followPath, type ReadCertificate, readCertificates, type TrustedLeaf } from './chain.ts'
import { type FetchRules, fetchText } from './fetch.ts'
import { type IdentityHeader, parseIdentity } from './identity-header.ts'
import { stirName } from './number.ts'
import { type Attestation, type Passport, parsePassport, passportCovers } from './passport.ts'
import { speaksFor } from './tn-auth-list.ts'

export interface IdentityConfig extends FetchRules {
  /** Certificates of the authorities whose signers are trusted, PEM. */
  readonly anchors: string
  /** How old a PASSporT may be, and how far ahead. Default 60,000 (RFC 8224 §6.2 step 4). */
  readonly windowMs?: number
}

/** What was found out about the Identity headers of a request. */
export type IdentityOutcome =
  | {
      readonly state: 'verified'
      /** Null for a plain PASSporT. */
      readonly attestation: Attestation | null
      readonly originId: string | null
      /** Codes of the service providers that the certificate is for. */
      readonly providers: readonly string[]
    }
  /** Only PASSporTs of kinds that are not known here: as if there were none (RFC 8224 §6.2). */
  | { readonly state: 'unknown-kind' }
  | { readonly state: 'refused'; readonly code: string; readonly reason: string }

export interface IdentityVerifier {
  /** Never throws for anything a caller can send. @param nowMs wall clock at receipt */
  readonly verify: (
    headers: readonly string[],
    named: { readonly fromUri: string; readonly toUri: string },
    nowMs: number
  ) => Promise<IdentityOutcome>
  /** Certificates held now, and requests under way. */
  readonly held: () => { readonly certificates: number; readonly fetches: number }
  /** Gives up what is being fetched. */
  readonly close: () => void
}

const mostHeaders = 4
const mostAnchors = 100
const mostCached = 256
const mostFetches = 16
const cacheSeconds = { least: 60, usual: 3_600, most: 86_400, failure: 30 }

type Refused = IdentityOutcome & { readonly state: 'refused' }
const refused = (code: string, reason: string): Refused => ({ state: 'refused', code: `guard.identity.${code}`, reason })

/** @throws {ConfigError} when the anchors cannot be read */
export function createIdentityVerifier(config: IdentityConfig, clock: Clock): IdentityVerifier {
  const anchors = readAnchors(config.anchors)
  const windowMs = config.windowMs ?? 60_000
  const closed = new AbortController()
  /** By URL, the one used longest ago first. */
  const cache = new Map<string, { readonly leaf: Promise<TrustedLeaf | Refused>; dueMs: number }>()
  let fetches = 0

  const fetchLeaf = async (url: string, entry: { dueMs: number }): Promise<TrustedLeaf | Refused> => {
    fetches++
    try {
      const fetched = await fetchText(url, config, clock, closed.signal)
      const keep = (seconds: number): void => {
        entry.dueMs = clock.monotonicMs() + seconds * 1000
      }
      keep(cacheSeconds.failure)
      if (!fetched.ok) return refused('fetch', `the certificate cannot be fetched: ${fetched.reason}`)
      const leaf = followPath(readCertificates(fetched.text), anchors)
      if (typeof leaf === 'string') return refused('untrusted', leaf)
      keep(Math.min(cacheSeconds.most, Math.max(cacheSeconds.least, fetched.maxAgeSeconds ?? cacheSeconds.usual)))
      return leaf
    } catch (error) {
      if (error instanceof DecodeError) return { state: 'refused', code: error.code, reason: error.message }
      throw error
    } finally {
      fetches--
    }
  }

  const leafAt = (url: string): Promise<TrustedLeaf | Refused> => {
    const held = cache.get(url)
    cache.delete(url)
    if (held !== undefined && held.dueMs > clock.monotonicMs()) {
      cache.set(url, held)
      return held.leaf
    }
    if (fetches >= mostFetches) return Promise.resolve(refused('fetch', 'too many certificates are being fetched'))
    const timing = { dueMs: Number.POSITIVE_INFINITY }
    const leaf = fetchLeaf(url, timing)
    cache.set(url, Object.assign(timing, { leaf }))
    if (cache.size > mostCached) cache.delete(cache.keys().next().value!)
    return leaf
  }

  const verifyOne = async (
    value: string,
    named: { readonly fromUri: string; readonly toUri: string },
    nowMs: number
  ): Promise<IdentityOutcome> => {
    let header: IdentityHeader
    let passport: Passport
    try {
      header = parseIdentity(value)
      if (header.algorithm !== null && header.algorithm !== 'ES256') return refused('algorithm', 'only ES256 is taken')
      passport = parsePassport(header.token)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      if (error.code === 'guard.identity.unsupported-type') return { state: 'unknown-kind' }
      return { state: 'refused', code: error.code, reason: error.message }
    }
    if (passport.certificateUrl !== header.info) return refused('info-mismatch', 'x5u is not the URL of the header')
    if (header.type !== null && header.type !== passport.type) return refused('type-mismatch', 'ppt is not that of the header')
    const ageMs = nowMs - passport.issuedAt * 1000
    if (ageMs > windowMs) return refused('stale', `made ${Math.round(ageMs / 1000)} s ago`)
    if (-ageMs > windowMs) return refused('future', `dated ${Math.round(-ageMs / 1000)} s ahead`)
    const strange = mismatch(passport, named)
    if (strange !== null)
      return refused(strange, strange === 'orig-mismatch' ? 'orig is not who stands in From' : 'dest is not who stands in To')
    const leaf = await leafAt(header.info)
    if ('state' in leaf) return leaf
    if (nowMs < leaf.notBefore || nowMs > leaf.notAfter)
      return refused('certificate-dates', 'the certificate is not of this time')
    if (!passportCovers(passport, leaf.key)) return refused('invalid', 'the signature is not of the key of the certificate')
    const beyond = outOfScope(passport, leaf)
    if (beyond !== null) return refused('certificate-scope', `the certificate does not speak for the ${beyond}`)
    const { attestation, originId } = passport
    return { state: 'verified', attestation, originId, providers: leaf.tnAuthList.providers }
  }

  return {
    verify: async (headers, named, nowMs) => {
      if (headers.length > mostHeaders) return refused('malformed', `more than ${mostHeaders} Identity headers`)
      const outcomes = await Promise.all(headers.map((header) => verifyOne(header, named, nowMs)))
      // RFC 8224 §6.2: one that is good is enough
      return (
        outcomes.find(({ state }) => state === 'verified') ??
        outcomes.find(({ state }) => state === 'refused') ?? { state: 'unknown-kind' }
      )
    },
    held: () => ({ certificates: cache.size, fetches }),
    close: () => closed.abort(new Error('closed'))
  }
}

function readAnchors(pem: string): readonly ReadCertificate[] {
  try {
    return readCertificates(pem, mostAnchors)
  } catch (error) {
    throw new ConfigError('identity.anchors', [messageOf(error)])
  }
}

/** Which claim names somebody else than the request; null when both are right. @see RFC 8224 §6.2 step 5, §8 */
function mismatch(
  { orig, dest }: Passport,
  { fromUri, toUri }: { readonly fromUri: string; readonly toUri: string }
): 'orig-mismatch' | 'dest-mismatch' | null {
  const from = stirName(fromUri)
  const isCaller = 'tn' in orig ? from.number === orig.tn : from.uri !== null && stirName(orig.uri).uri === from.uri
  if (!isCaller) return 'orig-mismatch'
  const to = stirName(toUri)
  const isCalled =
    (to.number !== null && dest.tn.includes(to.number)) ||
    (to.uri !== null && dest.uri.some((uri) => stirName(uri).uri === to.uri))
  return isCalled ? null : 'dest-mismatch'
}

/** Of what in `orig` the certificate does not speak, null when it does: numbers by TNAuthList, URIs by the domain. @see RFC 8226 §9, RFC 8224 §8.4 */
function outOfScope({ orig }: Passport, leaf: TrustedLeaf): 'number' | 'domain' | null {
  if ('tn' in orig) return speaksFor(leaf.tnAuthList, orig.tn) ? null : 'number'
  const host = parseAddressOfRecord(orig.uri)?.host
  return host !== undefined && leaf.namesDomain(host) ? null : 'domain'
}
