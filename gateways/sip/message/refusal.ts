import type { GuardDecision, Layer, MediaRefusal, MediaRefusalCode } from '#kernel'

/** Why a call is refused: what the caller sees (`status` and the headers that follow from it) and what only the record sees. */
export interface Refusal {
  readonly status: number
  /** Stable; safe for records and metric labels. */
  readonly code: string
  /** For the record; never sent. */
  readonly reason: string
  /** Layer of defence that decided; null where the refusal is no matter of defence. */
  readonly layer: Layer | null
  /** Speaks of an attack: recorded as SECURITY_REJECTED. */
  readonly security: boolean
  /** In place of the usual reason phrase of the status, where a standard has one; null for the usual one. */
  readonly phrase: string | null
  /** Headers the status calls for, e.g. Retry-After. */
  readonly headers: Readonly<Record<string, string>>
}

interface Outcome {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

const retryLater = { 'Retry-After': '10' } as const

/** What the conference could not do, in SIP terms. @see RFC 3261 §21.4.26 (488), §20.43 (Warning codes) */
const mediaOutcomes: Readonly<Record<MediaRefusalCode, Outcome>> = {
  'sdp.malformed': { status: 400 },
  'sdp.no-audio': { status: 488, headers: { Warning: '304 conference "Media type not available"' } },
  'sdp.no-address': { status: 488, headers: { Warning: '301 conference "Incompatible network address formats"' } },
  'sdp.no-common-codec': { status: 488, headers: { Warning: '305 conference "Incompatible media format"' } },
  'sdp.unsupported-profile': { status: 488, headers: { Warning: '302 conference "Incompatible transport protocol"' } },
  'conference.full': { status: 486 },
  'conference.locked': { status: 403 },
  'conference.no-ports': { status: 503, headers: retryLater },
  'call.refused': { status: 480 }
}

/** What IF.guard decided, by its code. Anything not named here is 403: a caller learns that the answer is no, not which rule said so. */
const guardOutcomes: Readonly<Record<string, Outcome>> = {
  'guard.rate.exceeded': { status: 480, headers: { 'Retry-After': '60' } },
  'guard.policy.failed': { status: 500 },
  'guard.signature.cache-full': { status: 503, headers: retryLater }
}

/** What this gateway refuses by itself. */
const ownOutcomes = {
  'sip.header.escaped-name': { status: 400 },
  'sip.header.repeated': { status: 400 },
  'sip.header.missing': { status: 400 },
  'sip.address.malformed': { status: 400 },
  'sip.contact.missing': { status: 400 },
  'sip.trace-id.malformed': { status: 400 },
  'sip.hazard.malformed': { status: 400 },
  'sip.address.unknown': { status: 404 },
  'sip.address.unsigned': { status: 403 },
  'sip.body.unsupported': { status: 415, headers: { Accept: 'application/sdp' } },
  'sip.body.encoded': { status: 415, headers: { 'Accept-Encoding': 'identity' } },
  'sip.extension.unsupported': { status: 420 },
  'sip.session-interval.too-small': { status: 422 },
  'sip.call.merged': { status: 482 },
  'sip.capacity.exceeded': { status: 503, headers: retryLater },
  'sip.draining': { status: 503, headers: retryLater },
  'sip.setup.timeout': { status: 504 },
  'sip.expert.engaged': { status: 486 },
  'sip.replaces.malformed': { status: 400 },
  'sip.replaces.forbidden': { status: 403 },
  'sip.replaces.unknown': { status: 481 },
  'sip.replaces.answered': { status: 486 },
  'call-out.stopped': { status: 487 },
  'call-out.overtaken': { status: 487 },
  'call-out.unrouted': { status: 500 },
  'guard.failed': { status: 500 },
  'conference.failed': { status: 500 },
  'call.failed': { status: 500 },
  'witness.unrecorded': { status: 503, headers: retryLater },
  'edge.source.untrusted': { status: 403 },
  'edge.facts.missing': { status: 403 },
  'edge.facts.malformed': { status: 403 },
  'edge.facts.smuggled': { status: 403 }
} satisfies Record<string, Outcome>
export type OwnRefusalCode = keyof typeof ownOutcomes

const ownLayer: Partial<Record<OwnRefusalCode, Layer>> = {
  'guard.failed': 'policy',
  'witness.unrecorded': 'witness',
  'sip.address.unsigned': 'policy',
  'edge.source.untrusted': 'allowlist',
  'edge.facts.missing': 'allowlist',
  'edge.facts.malformed': 'allowlist',
  'edge.facts.smuggled': 'allowlist'
}

/** Codes of our own that speak of an attack. */
const attacks: ReadonlySet<string> = new Set<OwnRefusalCode>([
  'sip.header.escaped-name',
  'sip.header.repeated',
  'sip.address.unsigned',
  'edge.source.untrusted',
  'edge.facts.missing',
  'edge.facts.malformed',
  'edge.facts.smuggled'
])

/** Refusal for a decision of IF.guard. */
export function refusalByGuard(decision: GuardDecision): Refusal {
  const outcome: Outcome =
    decision.answer ??
    guardOutcomes[decision.code] ??
    (decision.layer === 'rate' ? guardOutcomes['guard.rate.exceeded']! : { status: 403 })
  const { code, reason, layer, security, answer } = decision
  const phrase = answer?.phrase ?? null
  return { status: outcome.status, phrase, headers: outcome.headers ?? {}, code, reason, layer, security }
}

/** Refusal for an answer of the conference. */
export function refusalByMedia(refusal: MediaRefusal): Refusal {
  const { status: usual, headers = {} } = mediaOutcomes[refusal.code]
  const status = refusal.status ?? usual
  return { status, phrase: null, headers, code: refusal.code, reason: refusal.reason, layer: null, security: false }
}

/** Refusal by this gateway. `headers` add to those of the code. */
export function refusal(code: OwnRefusalCode, reason: string, headers: Readonly<Record<string, string>> = {}): Refusal {
  const outcome: Outcome = ownOutcomes[code]
  return {
    status: outcome.status,
    phrase: null,
    headers: { ...outcome.headers, ...headers },
    code,
    reason,
    layer: ownLayer[code] ?? null,
    security: attacks.has(code)
  }
}

/** Q.850 cause for a final status. @see RFC 3398 §8.2.6.1; 408, 422 and 482 by their nearest neighbours there */
const q850: Readonly<Record<number, readonly [cause: number, text: string]>> = {
  400: [41, 'Temporary failure'],
  403: [21, 'Call rejected'],
  404: [1, 'Unallocated number'],
  405: [63, 'Service or option not available'],
  415: [79, 'Service or option not implemented'],
  420: [127, 'Interworking'],
  422: [127, 'Interworking'],
  480: [18, 'No user responding'],
  482: [25, 'Exchange routing error'],
  486: [17, 'User busy'],
  488: [88, 'Incompatible destination'],
  500: [41, 'Temporary failure'],
  503: [41, 'Temporary failure'],
  504: [102, 'Recovery on timer expiry']
}

/** `Reason` of a final response: the general cause that belongs to its status, never our own reason. @see RFC 3326 §2, RFC 6432 */
export function reasonOfStatus(status: number): string {
  const [cause, text] = q850[status] ?? [31, 'Normal, unspecified']
  return `Q.850;cause=${cause};text="${text}"`
}
