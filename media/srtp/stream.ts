import type { SrtpTerms } from './secrecy.ts'
import { InboundSrtp, notAuthentic, OutboundSrtp } from './session.ts'
import { cryptoSuiteNamed } from './suites.ts'

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

/** Largest packet before it is encrypted, and room for its growth. */
const packetOctets = 1600

/** Packets under a key that was replaced, at most: ten seconds of them. */
const mostBefore = 500

/** Both directions of a participant's encrypted stream. */
export class SrtpStream {
  #terms: SrtpTerms
  #inbound: InboundSrtp
  #outbound: OutboundSrtp
  /** Of the peer's key before, which its packets may have until it knows that the new one was taken. */
  #before: InboundSrtp | null = null
  #leftBefore = 0
  /** Where packets are encrypted that others share in clear. */
  readonly packet = Buffer.alloc(packetOctets)

  /** @throws {InfraFabricError} `media.srtp.unavailable` */
  constructor(terms: SrtpTerms) {
    const suite = cryptoSuiteNamed(terms.suite)!
    this.#terms = terms
    this.#inbound = new InboundSrtp(suite, terms.remoteKey, terms.remoteMki)
    this.#outbound = new OutboundSrtp(suite, terms.localKey)
  }

  /**
   * Takes new keys. A direction whose key stays goes on where it is: packets that were replayed before are replayed still. Under the key before the peer is heard
   * until its first packet under the new one: the answer is still on its way to it.
   *
   * @see RFC 4568 §7.1.3, §7.1.4
   */
  rekey(terms: SrtpTerms): void {
    const suite = cryptoSuiteNamed(terms.suite)!
    const before = this.#terms
    const sameKey = same(terms.remoteKey, before.remoteKey) && same(terms.remoteMki, before.remoteMki)
    if (terms.suite !== before.suite || !sameKey) {
      const inbound = new InboundSrtp(suite, terms.remoteKey, terms.remoteMki)
      this.#before?.close()
      this.#before = this.#inbound
      this.#leftBefore = mostBefore
      this.#inbound = inbound
    }
    if (terms.suite !== before.suite || !same(terms.localKey, before.localKey)) {
      const outbound = new OutboundSrtp(suite, terms.localKey)
      this.#outbound.close()
      this.#outbound = outbound
    }
    this.#terms = terms
  }

  /** Copies an RTP packet to {@link packet} and encrypts it there. @returns its length, 0 for one that is too large */
  protect(plain: Buffer, octets: number): number {
    if (octets + 16 > packetOctets) return 0
    plain.copy(this.packet, 0, 0, octets)
    return this.#outbound.protect(this.packet, octets)
  }

  /** The same for RTCP. */
  protectControl(plain: Buffer): number {
    if (plain.length + 20 > packetOctets) return 0
    plain.copy(this.packet)
    return this.#outbound.protectControl(this.packet, plain.length)
  }

  /** In place. @returns the packet, or null where it is not the peer's or came before */
  readonly unprotect = (packet: Buffer): Buffer | null =>
    this.#before === null ? whole(packet, this.#inbound.unprotect(packet)) : this.#unprotectByEither('unprotect', packet)
  readonly unprotectControl = (packet: Buffer): Buffer | null =>
    this.#before === null
      ? whole(packet, this.#inbound.unprotectControl(packet))
      : this.#unprotectByEither('unprotectControl', packet)

  #unprotectByEither(how: 'unprotect' | 'unprotectControl', packet: Buffer): Buffer | null {
    // what does not fit the key is no longer what came
    const copy = Buffer.from(packet)
    const length = this.#inbound[how](packet)
    if (length > notAuthentic) {
      this.#forgetBefore()
      return whole(packet, length)
    }
    const plain = whole(copy, this.#before![how](copy))
    if (plain !== null && --this.#leftBefore === 0) this.#forgetBefore()
    return plain
  }

  #forgetBefore(): void {
    this.#before?.close()
    this.#before = null
  }

  close(): void {
    this.#forgetBefore()
    this.#inbound.close()
    this.#outbound.close()
  }
}

const whole = (packet: Buffer, length: number): Buffer | null => (length <= notAuthentic ? null : packet.subarray(0, length))
