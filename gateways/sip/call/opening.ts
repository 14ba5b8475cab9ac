import { type EdgeFacts, isAcceptableTraceId, isHazardName, type Layer } from '#kernel'
import { readEdgeFacts } from '../edge/facts.ts'
import {
  ambiguity,
  clip,
  isEncoded,
  readCSeq,
  readIdentities,
  readMediaType,
  readNameAddr,
  readTokens
} from '../message/headers.ts'
import { type Refusal, refusal } from '../message/refusal.ts'
import type { SipRequest } from '../server/drachtio.ts'
import { type Replaces, readReplaces } from '../transfer/replaces.ts'
import { type Dialled, readDialled } from './dialled.ts'

/** What an INVITE says, read once. Fields that could not be read are null or empty; then `refusal` says why. */
export interface Opening {
  readonly callId: string
  readonly cseq: number
  readonly fromUri: string
  readonly fromTag: string
  readonly toUri: string
  readonly requestUri: string
  readonly dialled: Dialled | null
  /** X-IF-Hazard, else the dialled one. */
  readonly hazard: string | null
  readonly claimedTraceId: string | null
  readonly signature: string | null
  /** Values of Identity headers. */
  readonly identities: readonly string[]
  readonly peerSessionId: string | undefined
  /** SDP offer; empty for a late offer. */
  readonly offer: string
  /** The dialog whose place the call is to take, null for a call of its own. */
  readonly replaces: Replaces | null
  readonly edge: EdgeFacts | null
  readonly edgeLayers: readonly Layer[]
  /** Provisional responses must be reliable, so none is sent. */
  readonly reliableOnly: boolean
  /** First thing that is wrong with the request, null when it may go on to IF.guard. */
  readonly refusal: Refusal | null
}

/** Extensions of which a caller may demand that we understand them. `100rel` is met by sending no provisional response but 100. */
const understood: ReadonlySet<string> = new Set(['timer', '100rel', 'replaces'])

/**
 * Reads a new INVITE and finds what is wrong with it, in the order in which RFC 3261 §8.2 looks.
 *
 * @param conferences names that may be dialled, null for any.
 * @param hazards hazard names that may end a dialled address.
 */
export function readOpening(
  request: SipRequest,
  conferences: Pick<ReadonlySet<string>, 'has'> | null,
  hazards: readonly string[]
): Opening {
  const from = readNameAddr(request.get('From'))
  const to = readNameAddr(request.get('To'))
  const cseq = readCSeq(request.get('CSeq'))
  const callId = request.get('Call-ID') ?? ''
  const edge = readEdgeFacts(request.headers)
  const dialled = readDialled(request.uri, conferences, hazards)
  const claimedTraceId = request.get('X-IF-Trace-ID')?.trim() ?? null
  const hazardHeader = request.get('X-IF-Hazard')?.trim() ?? null
  const required = readTokens(request.get('Require'))
  const unsupported = [...required].filter((tag) => !understood.has(tag))
  const mediaType = readMediaType(request.get('Content-Type'))
  const signature = request.get('X-IF-Signature')?.trim() ?? null
  const unsafe = ambiguity(request)
  const replacesHeader = request.get('Replaces')
  const replaces = replacesHeader === undefined ? null : readReplaces(replacesHeader)

  const wrong = (): Refusal | null => {
    if (unsafe !== null) return refusal(unsafe, 'the request can be read in more than one way')
    if (!edge.ok) return refusal(edge.code, `the edge's header ${edge.header} cannot be trusted`)
    if (from === null || from.tag === null) return refusal('sip.address.malformed', 'From cannot be read or has no tag')
    if (to === null) return refusal('sip.address.malformed', 'To cannot be read')
    if (cseq === null || callId === '' || callId.length > 256)
      return refusal('sip.header.missing', 'CSeq or Call-ID cannot be used')
    if (readNameAddr(request.get('Contact')) === null)
      return refusal('sip.contact.missing', 'Contact is missing or cannot be read')
    if (unsupported.length > 0)
      return refusal('sip.extension.unsupported', 'an extension is required that is not understood', {
        Unsupported: clip(unsupported.join(', '), 256)
      })
    if (request.body !== '' && isEncoded((name) => request.get(name)))
      return refusal('sip.body.encoded', 'the body has a Content-Encoding')
    if (request.body !== '' && mediaType !== 'application/sdp')
      return refusal('sip.body.unsupported', `body of type ${clip(mediaType ?? 'unknown', 64)}`)
    if (claimedTraceId !== null && !isAcceptableTraceId(claimedTraceId))
      return refusal('sip.trace-id.malformed', 'X-IF-Trace-ID has an unacceptable form')
    if (hazardHeader !== null && !isHazardName(hazardHeader))
      return refusal('sip.hazard.malformed', 'X-IF-Hazard is no hazard name')
    if (replacesHeader !== undefined && replaces === null) return refusal('sip.replaces.malformed', 'Replaces cannot be read')
    // A call that takes the place of another goes to its Contact, which names no conference; it gets into that of the other.
    if (dialled === null && replaces === null) return refusal('sip.address.unknown', 'the dialled address names no conference')
    if (signature !== null && readDialled(to.uri, conferences, hazards)?.conference !== dialled?.conference)
      return refusal('sip.address.unsigned', 'the signature is for the conference in To, the call for that in the Request-URI')
    return null
  }

  return {
    callId: clip(callId, 256),
    cseq: cseq?.number ?? 0,
    fromUri: clip(from?.uri ?? ''),
    fromTag: clip(from?.tag ?? '', 128),
    toUri: clip(to?.uri ?? ''),
    requestUri: clip(request.uri),
    dialled,
    hazard: hazardHeader !== null && isHazardName(hazardHeader) ? hazardHeader : (dialled?.hazard ?? null),
    claimedTraceId: claimedTraceId !== null && isAcceptableTraceId(claimedTraceId) ? claimedTraceId : null,
    signature,
    identities: readIdentities(request),
    peerSessionId: request.get('Session-ID'),
    offer: request.body,
    replaces,
    edge: edge.ok ? edge.facts : null,
    edgeLayers: edge.ok ? edge.layers : [],
    reliableOnly: required.has('100rel'),
    refusal: wrong()
  }
}
