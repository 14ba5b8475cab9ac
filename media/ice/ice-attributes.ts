/**
 * What a session description says of ICE, and what ours says as the lite side: one host candidate for each component.
 *
 * @see RFC 8839 §4.2, §5 (attributes), RFC 8445 §2.5 (lite), RFC 8838 (trickled candidates)
 */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { Endpoint } from '../latch.ts'
import { isUnspecified, plainAddress } from '../udp/inet.ts'

/** Keys of the checks of both sides, by which a check is told from a stranger's packet. Never logged. */
export interface IceTerms {
  readonly localFragment: string
  readonly localPassword: string
  readonly remoteFragment: string
  readonly remotePassword: string
}

/** `none`: the stream goes without ICE. `mismatch`: something on the way has changed the addresses of an offer (RFC 8839 §4.2.5). */
export type OfferedIce =
  | { readonly kind: 'none' | 'mismatch' }
  | { readonly kind: 'ice'; readonly fragment: string; readonly password: string }

const none = { kind: 'none' } as const
const credential = { fragment: /^[A-Za-z0-9+/]{4,256}$/, password: /^[A-Za-z0-9+/]{22,256}$/ }
const mostCandidates = 64

/** Where a peer that sends its candidates later says it is. @see RFC 8840 §4.1.1 */
const unknownYetPort = 9

export const isUnknownYet = ({ address, port }: Endpoint): boolean => isUnspecified(address) && port === unknownYetPort

/**
 * Reads what a stream says. A peer that is lite itself sends no checks, so that with it the addresses of the description are used as they are.
 *
 * @param session lines before the first stream
 * @param stream lines of the stream
 * @param destination of the stream by its m= and c= lines
 */
export function readIce(session: readonly string[], stream: readonly string[], destination: Endpoint): OfferedIce {
  const value = (name: string) => {
    const start = `a=${name}:`
    const line = stream.find((each) => each.startsWith(start)) ?? session.find((each) => each.startsWith(start))
    return line?.slice(start.length) ?? ''
  }
  const fragment = value('ice-ufrag')
  const password = value('ice-pwd')
  if (!credential.fragment.test(fragment) || !credential.password.test(password)) return none
  if (session.includes('a=ice-lite') || stream.includes('a=ice-mismatch')) return none
  const candidates = stream.filter((line) => line.startsWith('a=candidate:')).slice(0, mostCandidates)
  const first = candidates.map((line) => candidateLine.exec(line)?.groups).filter((groups) => groups?.component === '1')
  const fits =
    isUnspecified(destination.address) ||
    first.some((groups) => isAt(groups!.address!, destination.address) && Number(groups!.port) === destination.port)
  return fits ? { kind: 'ice', fragment, password } : { kind: 'mismatch' }
}

/** @param plain in the form of {@link plainAddress} */
const isAt = (written: string, plain: string) => isIP(written) !== 0 && !written.includes('%') && plainAddress(written) === plain

const candidateLine =
  /^a=candidate:\S{1,32} (?<component>\d{1,3}) \S{1,16} \d{1,10} (?<address>\S{1,255}) (?<port>\d{1,5}) typ \S/

/** A host candidate of the highest preference. @see RFC 8445 §5.1.2.1 */
const priority = (component: 1 | 2) => 126 * 2 ** 24 + 65_535 * 2 ** 8 + (256 - component)

/** Of the session: that we only answer checks. */
export const liteLine = 'a=ice-lite'
export const mismatchLine = 'a=ice-mismatch'

/** Of the stream. @param components 1 where control packets share the port */
export function iceLines({ localFragment, localPassword }: IceTerms, address: string, port: number, components: 1 | 2): string[] {
  const candidate = (component: 1 | 2) =>
    `a=candidate:1 ${component} UDP ${priority(component)} ${address} ${port + component - 1} typ host`
  return [`a=ice-ufrag:${localFragment}`, `a=ice-pwd:${localPassword}`, candidate(1), ...(components === 2 ? [candidate(2)] : [])]
}

/** Our side of ICE for one participant: the same keys until the peer restarts. */
export class IceCredentials {
  readonly #on: boolean
  #terms: IceTerms | null = null

  constructor(on: boolean) {
    this.#on = on
  }

  /**
   * What holds from now on. Other keys of the peer in an offer are a restart, and get new ones of ours (RFC 8839 §4.4.1.1.1).
   *
   * @param answered whether the peer answers an offer of ours: ours are in it already
   */
  choose(theirs: OfferedIce, answered: boolean): IceTerms | null {
    if (theirs.kind !== 'ice' || !this.#on || (answered && this.#terms === null)) this.#terms = null
    else if (this.#terms?.remoteFragment !== theirs.fragment || this.#terms.remotePassword !== theirs.password) {
      const kept = answered ? this.#terms : null
      this.#terms = {
        // At least 24 and 128 random bits (RFC 8445 §5.3); these are 48 and 144.
        localFragment: kept?.localFragment ?? randomBytes(6).toString('base64'),
        localPassword: kept?.localPassword ?? randomBytes(18).toString('base64'),
        remoteFragment: theirs.fragment,
        remotePassword: theirs.password
      }
    }
    return this.#terms
  }
}
