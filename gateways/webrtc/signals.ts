/**
 * Messages between page and service: JSON, one in each text message of a WebSocket. The first of a page is `join` or `resume`.
 *
 *     page      join | resume ──▶  service      answer | refused
 *     page      accepted      ──▶
 *     page  ◀── roster, context_update, data …     mute, hand, key, motion, vote, close, data ──▶ … leave
 */
import { InfraFabricError } from '#kernel'
import type { CouncilContext } from './context.ts'
import type { MotionRefusal } from './motions.ts'
import type { RosterMember } from './ports.ts'
import { isVoteKey } from './vote-check.ts'
import { type Choice, choices } from './vote-text.ts'

/** What a page says. */
export type PageSignal =
  /** Takes the seat with a new connection; an agent that neither speaks nor hears has no offer. `voteKey` is what the votes of the seat are signed with. */
  | {
      readonly type: 'join'
      readonly token: string
      readonly offer: string | null
      readonly voteKey: string | null
      /** Its sound comes by a SIP call of its own, and not by an offer. */
      readonly bySip: boolean
    }
  /** Goes on with the connection it had, with another way by ICE (RFC 8445 §2.4) or the same. */
  | { readonly type: 'resume'; readonly token: string; readonly offer: string | null }
  /** It has taken our answer; candidates it had gathered by then, by type (RFC 8839 §5.1), and how long that took. */
  | { readonly type: 'accepted'; readonly candidates: Readonly<Record<string, number>>; readonly gatheringMs: number }
  | { readonly type: 'mute'; readonly muted: boolean }
  | { readonly type: 'hand'; readonly raised: boolean }
  /** A key of a telephone: 0–9 * # A–D. */
  | { readonly type: 'key'; readonly digit: string }
  /** Puts a motion to the vote, for so many seconds. */
  | { readonly type: 'motion'; readonly title: string; readonly about: string | null; readonly seconds: number }
  /** Votes, or changes the vote; `signature` is of {@link voteText}. */
  | {
      readonly type: 'vote'
      readonly motion: string
      readonly choice: Choice
      readonly sequence: number
      readonly signature: string
    }
  /** Closes a motion that one has opened. */
  | { readonly type: 'close'; readonly motion: string }
  /** A message to one participant, or null for all. */
  | { readonly type: 'data'; readonly to: string | null; readonly body: string }
  | { readonly type: 'leave' }

export type RefusalCode =
  | 'seat.unknown'
  | 'seat.gone'
  | 'seat.taken-over'
  | 'seat.revoked'
  | 'guard.refused'
  | 'conference.refused'
  | 'connection.failed'
  | 'signal.invalid'
  | 'service.closed'

/** Where a page is to call for its sound, as whom; the password is the token of its seat. */
export interface SipTerms {
  /** Of the edge's WebSocket (RFC 7118). */
  readonly url: string
  /** For From: the party's own. */
  readonly uri: string
  /** User of the digest. */
  readonly user: string
  /** The conference. */
  readonly target: string
}

/** What the service says. After `refused` it closes. */
export type ServiceSignal =
  /** `sdp` is null where none was offered; `party` is in the registry, `votes` whether it has one by this seat. */
  | {
      readonly type: 'answer'
      readonly sdp: string | null
      readonly participant: string
      readonly conference: string
      readonly party: string
      readonly votes: boolean
      /** Null where no sound comes by SIP. */
      readonly sip: SipTerms | null
    }
  | { readonly type: 'roster'; readonly members: readonly RosterMember[] }
  /** Calls, hazards, policy, escalations and motions as they stand; told whole, whenever something of it has changed. */
  | { readonly type: 'context_update'; readonly context: CouncilContext }
  | { readonly type: 'data'; readonly from: string; readonly to: string | null; readonly body: string }
  /** What was asked for is not done. */
  | { readonly type: 'notice'; readonly of: 'motion' | 'vote' | 'close' | 'data'; readonly code: NoticeCode }
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly reason: string }

export type NoticeCode = MotionRefusal | 'vote.none' | 'motion.about' | 'data.nobody'

/** In octets of UTF-8: an offer with a camera has 6,000. */
export const largestSignal = 65_536

const candidateTypes = new Set(['host', 'srflx', 'prflx', 'relay'])
/** Of a message to participants, in characters. */
const longestData = 16_384
const longestTitle = 200
const [shortestVoteS, longestVoteS] = [5, 86_400]

const isToken = (value: unknown): value is string => typeof value === 'string' && /^[A-Za-z0-9_-]{43}$/.test(value)
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= 1_000_000
const refuse = (path: string, message: string): never => {
  throw new InfraFabricError('webrtc.signal.invalid', path === '' ? message : `${path}: ${message}`)
}

function readCandidates(value: unknown): Record<string, number> {
  if (typeof value !== 'object' || value === null) return refuse('candidates', 'expected an object')
  const counts: Record<string, number> = {}
  for (const [type, count] of Object.entries(value)) {
    if (!candidateTypes.has(type) || !isCount(count))
      return refuse('candidates', 'expected counts of host, srflx, prflx and relay')
    counts[type] = count
  }
  return counts
}

function readMotionSignal(
  type: 'motion' | 'vote' | 'close',
  { title, about = null, seconds, motion, choice, sequence, signature }: Record<string, unknown>
): Extract<PageSignal, { type: 'motion' | 'vote' | 'close' }> {
  if (type === 'motion') {
    // one line, since it is the last of the lines that are signed; no controls of direction, which make a text read otherwise than it is
    const isTitle = typeof title === 'string' && title.trim() !== '' && title.length <= longestTitle && title.isWellFormed()
    if (!isTitle || /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.test(title))
      return refuse('title', `expected one line of at most ${longestTitle} characters`)
    if (about !== null && (typeof about !== 'string' || about.length > 128)) return refuse('about', 'expected a trace id or null')
    if (!isCount(seconds) || seconds < shortestVoteS || seconds > longestVoteS)
      return refuse('seconds', `expected ${shortestVoteS} to ${longestVoteS} whole seconds`)
    return { type, title, about, seconds }
  }
  if (typeof motion !== 'string' || !/^[0-9a-f]{32}$/.test(motion)) return refuse('motion', 'expected 32 hex digits')
  if (type === 'close') return { type, motion }
  const chosen = choices.find((each) => each === choice)
  if (chosen === undefined) return refuse('choice', `expected one of ${choices.join(', ')}`)
  if (!isCount(sequence) || sequence < 1) return refuse('sequence', 'expected a count from 1 on')
  if (typeof signature !== 'string' || !/^[A-Za-z0-9_-]{86}$/.test(signature))
    return refuse('signature', 'expected 64 octets in base64url')
  return { type, motion, choice: chosen, sequence, signature }
}

/** Reads a page's message; members it does not know are passed over. @throws {InfraFabricError} `webrtc.signal.invalid` */
export function readPageSignal(text: string): PageSignal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refuse('', 'expected JSON')
  }
  if (typeof value !== 'object' || value === null) return refuse('', 'expected an object')
  const {
    type,
    token,
    offer,
    voteKey = null,
    bySip = false,
    muted,
    raised,
    digit,
    candidates,
    gatheringMs
  } = value as Record<string, unknown>
  const isOffer = (sdp: unknown): sdp is string | null => sdp === null || (typeof sdp === 'string' && sdp !== '')
  switch (type) {
    case 'join':
      if (!isToken(token)) return refuse('token', 'expected a seat token')
      if (!isOffer(offer)) return refuse('offer', 'expected a session description or null')
      if (voteKey !== null && !(typeof voteKey === 'string' && isVoteKey(voteKey)))
        return refuse('voteKey', 'expected a point of P-256 in base64url')
      if (typeof bySip !== 'boolean' || (bySip && offer !== null))
        return refuse('bySip', 'expected true or false, true without an offer')
      return { type, token, offer, voteKey, bySip }
    case 'resume':
      if (!isToken(token)) return refuse('token', 'expected a seat token')
      if (!isOffer(offer)) return refuse('offer', 'expected a session description or null')
      return { type, token, offer }
    case 'accepted':
      if (!isCount(gatheringMs)) return refuse('gatheringMs', 'expected whole milliseconds')
      return { type, candidates: readCandidates(candidates), gatheringMs }
    case 'mute':
      if (typeof muted !== 'boolean') return refuse('muted', 'expected true or false')
      return { type, muted }
    case 'hand':
      if (typeof raised !== 'boolean') return refuse('raised', 'expected true or false')
      return { type, raised }
    case 'key':
      if (typeof digit !== 'string' || !/^[0-9*#A-D]$/.test(digit)) return refuse('digit', 'expected one of 0 to 9 * # A to D')
      return { type, digit }
    case 'motion':
    case 'vote':
    case 'close':
      return readMotionSignal(type, value as Record<string, unknown>)
    case 'data': {
      const { to = null, body } = value as Record<string, unknown>
      if (to !== null && (typeof to !== 'string' || to.length > 128)) return refuse('to', 'expected a participant or null')
      if (typeof body !== 'string' || body.length > longestData)
        return refuse('body', `expected at most ${longestData} characters`)
      return { type, to, body: body.toWellFormed() }
    }
    case 'leave':
      return { type }
    default:
      return refuse('type', 'no message of a page')
  }
}
