/**
 * The lite side of ICE for one component: answers checks, and believes what they show. A stranger's packet opens nothing, for it does not know the password.
 *
 * @see RFC 8445 §7.3 (server), §8.2 (lite), RFC 7675 §5.1 (consent is asked by the same checks)
 */
import type { Endpoint } from '../latch.ts'
import type { IceTerms } from './ice-attributes.ts'
import { decodeBindingRequest, encodeError, encodeSuccess, hasIntegrity } from './stun.ts'

/** Sources believed at once; a peer has a handful of addresses. */
const mostSources = 16

const same = (a: Endpoint, b: Endpoint) => a === b || (a.port === b.port && a.address === b.address)

export class LitePath {
  #terms: IceTerms
  /** Newest last. */
  #checked: Endpoint[] = []
  #nominated: Endpoint | null = null
  /** The object that the last packet came with: the same for all packets from one place. */
  #last: Endpoint | null = null

  constructor(terms: IceTerms) {
    this.#terms = terms
  }

  /** New keys: packets go where they went until the peer nominates again. @see RFC 8445 §9 */
  restart(terms: IceTerms): void {
    this.#terms = terms
  }

  /**
   * Takes a check.
   *
   * @returns the answer to send to `source`; null for none
   * @throws {DecodeError} `ice.stun.malformed`
   */
  check(packet: Buffer, source: Endpoint): Buffer | null {
    const request = decodeBindingRequest(packet)
    if (request === null) return null
    const { localFragment, localPassword } = this.#terms
    if (request.username === null || request.integrityAt < 0) return encodeError(request, 400, null)
    if (request.username.split(':', 1)[0] !== localFragment || !hasIntegrity(request, localPassword)) {
      return encodeError(request, 401, null)
    }
    if (request.unknown.length > 0) return encodeError(request, 420, localPassword)
    // The lite side is always the controlled one (RFC 8445 §6.1.1).
    if (request.role === 'controlled') return encodeError(request, 487, localPassword)
    this.#believe(source, request.useCandidate)
    return encodeSuccess(request, source, localPassword)
  }

  #believe({ address, port }: Endpoint, nominated: boolean): void {
    const source = { address, port }
    this.#checked = [...this.#checked.filter((other) => !same(other, source)), source].slice(-mostSources)
    if (nominated && (this.#nominated === null || !same(this.#nominated, source))) this.#nominated = source
  }

  /** Whether the peer has settled on a way. */
  get nominated(): boolean {
    return this.#nominated !== null
  }

  /** Where packets for the peer go; null until it has shown where it is. */
  get destination(): Endpoint | null {
    return this.#nominated ?? this.#checked.at(-1) ?? null
  }

  /** Whether packets from here are the peer's. */
  accept(source: Endpoint): boolean {
    if (source === this.#last) return true
    const known = (this.#nominated !== null && same(this.#nominated, source)) || this.#checked.some((each) => same(each, source))
    if (known) this.#last = source
    return known
  }
}
