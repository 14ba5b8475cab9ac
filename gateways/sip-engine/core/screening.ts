/** Requests the engine answers by itself for what they say: spam, keep-alive OPTIONS of known peers, a REGISTER that means nothing. */
import { parseAddress } from '../codec/address.ts'
import { parseContacts } from '../codec/contact.ts'
import { header, headerLines, type SipRequest } from '../codec/message.ts'
import { parseSipUri } from '../codec/uri.ts'

/** Texts that, found anywhere in the value (any case), make a request spam. */
export interface SpamFilter {
  readonly userAgents: readonly string[]
  /** Looked for in the user part of To. */
  readonly toUsers: readonly string[]
  /** Looked for in the user part of From. */
  readonly fromUsers: readonly string[]
}

export interface Screening {
  /** Status of the engine's own answer to a request outside any dialog; null for one that applications shall see. */
  readonly verdict: (request: SipRequest) => 200 | 400 | 603 | null
}

export function createScreening(filter: SpamFilter, answerOptionsOf: readonly string[]): Screening {
  // An empty text would be found everywhere.
  const lower = (texts: readonly string[]): string[] => texts.filter((text) => text !== '').map((text) => text.toLowerCase())
  const userAgents = lower(filter.userAgents)
  const toUsers = lower(filter.toUsers)
  const fromUsers = lower(filter.fromUsers)
  const known = lower(answerOptionsOf)
  const contains = (texts: readonly string[], value: string): boolean => texts.some((text) => value.includes(text))
  const isSpam = (request: SipRequest): boolean =>
    (userAgents.length > 0 && contains(userAgents, agentOf(request))) ||
    (toUsers.length > 0 && contains(toUsers, userOf(request, 'to'))) ||
    (fromUsers.length > 0 && contains(fromUsers, userOf(request, 'from')))
  return {
    verdict: (request) => {
      if (isSpam(request)) return 603
      if (request.method === 'REGISTER' && !registrable(request)) return 400
      return request.method === 'OPTIONS' && known.length > 0 && contains(known, agentOf(request)) ? 200 : null
    }
  }
}

/** RFC 3261 §10.2.2, §10.3 step 6: `*` stands alone and only to remove everything. */
function registrable(request: SipRequest): boolean {
  const contacts = parseContacts(headerLines(request, 'contact'))
  return contacts === '*' ? /^\s*0+\s*$/.test(header(request, 'expires') ?? '') : contacts !== undefined
}

function agentOf(request: SipRequest): string {
  return (header(request, 'user-agent') ?? '').toLowerCase()
}

function userOf(request: SipRequest, key: 'from' | 'to'): string {
  const address = parseAddress(header(request, key) ?? '')
  return (address === undefined ? '' : (parseSipUri(address.uri)?.user ?? '')).toLowerCase()
}
