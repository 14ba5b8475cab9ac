/**
 * One direction of an SRTP session, in place on the caller's octets.
 *
 * The cryptography is libsrtp's: replay windows, roll-over counter, key derivation (RFC 3711 §3.3).
 */
import { createRequire } from 'node:module'
import { InfraFabricError } from '#kernel'
import { type Handle, loadLibrary, type NativeFunction, Owned, once } from '../native.ts'
import { noMki } from './crypto-attribute.ts'
import { type CryptoSuite, policyFunctions } from './suites.ts'

const library = once(() => {
  const inPlace = (name: string) => `int ${name}(void *session, void *packet, void *length)`
  const functions = loadLibrary<string>(['libsrtp2.so.1', 'libsrtp2.1.dylib'], {
    srtp_init: 'int srtp_init()',
    srtp_create: 'int srtp_create(_Out_ void **session, const void *policy)',
    srtp_dealloc: 'int srtp_dealloc(void *session)',
    srtp_protect: inPlace('srtp_protect'),
    srtp_unprotect: inPlace('srtp_unprotect'),
    srtp_protect_rtcp: inPlace('srtp_protect_rtcp'),
    srtp_unprotect_rtcp: inPlace('srtp_unprotect_rtcp'),
    ...Object.fromEntries(policyFunctions.map((name) => [name, `void ${name}(void *policy)`]))
  })
  if (functions === null || ![ok, begunBefore].includes(functions.srtp_init!())) return null
  return functions
})

/** Whether libsrtp is on this machine. Without it no encrypted audio is offered or accepted. */
export const srtpAvailable = (): boolean => library() !== null

const ok = 0
/** What `srtp_init` gives in a further thread of a process. */
const begunBefore = 2
const replayStatuses = [9, 10]

/** `srtp_policy_t` on a 64-bit system. */
const policyLayout = { ssrcType: 0, rtp: 8, rtcp: 32, key: 56, windowSize: 88, octets: 128 }
const anyInbound = 2
const anyOutbound = 3
/** Packets that may come behind later ones. */
const replayWindow = 1024

function create(
  functions: Readonly<Record<string, NativeFunction>>,
  suite: CryptoSuite,
  key: Uint8Array,
  ssrcType: number
): Handle {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const keyCopy = Uint8Array.from(key)
  const policy = Buffer.alloc(policyLayout.octets)
  const [rtp, rtcp] = suite.policies
  policy.writeInt32LE(ssrcType, policyLayout.ssrcType)
  functions[rtp]!(policy.subarray(policyLayout.rtp))
  functions[rtcp]!(policy.subarray(policyLayout.rtcp))
  policy.writeBigUInt64LE(koffi.address(keyCopy), policyLayout.key)
  policy.writeBigUInt64LE(BigInt(replayWindow), policyLayout.windowSize)
  const session: [Handle | null] = [null]
  const status = functions.srtp_create!(session, policy)
  keyCopy.fill(0)
  if (status !== ok || session[0] === null)
    throw new InfraFabricError('media.srtp.unavailable', `${suite.name}: libsrtp makes no session of it (status ${status})`)
  return session[0]
}

const length = new Int32Array(1)

/** Results below 0: the packet is not the peer's, or has come before. */
export const notAuthentic = -1
export const replayed = -2

class Session {
  protected readonly functions: Readonly<Record<string, NativeFunction>>
  protected readonly session: Owned
  protected readonly suite: CryptoSuite

  /**
   * @param key master key and salt of the suite; not kept
   * @throws {InfraFabricError} `media.srtp.unavailable` where libsrtp is missing; {RangeError} for a key of another length
   */
  constructor(suite: CryptoSuite, key: Uint8Array, ssrcType: number) {
    const functions = library()
    if (functions === null) throw new InfraFabricError('media.srtp.unavailable', 'libsrtp 2 is not installed')
    const expected = suite.keyLength + suite.saltLength
    if (key.length !== expected)
      throw new RangeError(`${suite.name}: expected ${expected} octets of key and salt, got ${key.length}`)
    this.functions = functions
    this.suite = suite
    this.session = new Owned(create(functions, suite, key, ssrcType), (handle) => void functions.srtp_dealloc!(handle))
  }

  /** Frees keys and state. Idempotent; nothing else may be called afterwards. */
  readonly close = (): void => this.session.close()
}

/** Encrypts what one side sends. Every SSRC is taken. */
export class OutboundSrtp extends Session {
  constructor(suite: CryptoSuite, key: Uint8Array) {
    super(suite, key, anyOutbound)
  }

  /**
   * @param packet an RTP packet from octet 0 on, with room behind it for {@link CryptoSuite.tagLength}
   * @returns its new length
   * @throws {RangeError} where there is no room; {InfraFabricError} `media.srtp.failed` where libsrtp refuses, as after 2^48 packets
   */
  protect(packet: Buffer, octets: number): number {
    return this.#apply('srtp_protect', packet, octets, this.suite.tagLength, 12)
  }

  /** The same for a compound RTCP packet; it grows by {@link CryptoSuite.controlGrowth}. */
  protectControl(packet: Buffer, octets: number): number {
    return this.#apply('srtp_protect_rtcp', packet, octets, this.suite.controlGrowth, 8)
  }

  #apply(name: string, packet: Buffer, octets: number, growth: number, least: number): number {
    if (octets < least || octets + growth > packet.length)
      throw new RangeError(`expected ${least} octets and room for ${growth} more, got ${octets} in ${packet.length}`)
    length[0] = octets
    const status = this.functions[name]!(this.session.handle, packet, length)
    if (status !== ok) throw new InfraFabricError('media.srtp.failed', `${this.suite.name}: ${name} gave status ${status}`)
    return length[0]!
  }
}

/** Streams of one peer. Each is remembered to the end, since one that was forgotten could be replayed. */
const mostStreams = 64

/** Decrypts what the other side sends, of every SSRC that proves to have the key, up to {@link mostStreams}. */
export class InboundSrtp extends Session {
  readonly #streams = new Set<number>()
  readonly #mki: Uint8Array
  #latest = -1

  /** @param mki key identifier that must stand in every packet; empty for none */
  constructor(suite: CryptoSuite, key: Uint8Array, mki: Uint8Array = noMki) {
    super(suite, key, anyInbound)
    this.#mki = mki
  }

  /** @returns the length of the RTP packet, {@link notAuthentic} or {@link replayed}; then the octets are no longer what came */
  unprotect(packet: Buffer): number {
    return this.#apply('srtp_unprotect', packet, 12 + this.suite.tagLength, 8, this.suite.behindMki[0])
  }

  /** The same for RTCP. */
  unprotectControl(packet: Buffer): number {
    return this.#apply('srtp_unprotect_rtcp', packet, 8 + this.suite.controlGrowth, 4, this.suite.behindMki[1])
  }

  #apply(name: string, packet: Buffer, least: number, ssrcAt: number, behindMki: number): number {
    const octets = packet.length - this.#mki.length
    if (octets < least || !this.#takeMki(packet, octets - behindMki)) return notAuthentic
    const ssrc = packet.readUInt32BE(ssrcAt)
    const known = ssrc === this.#latest || this.#streams.has(ssrc)
    if (!known && this.#streams.size === mostStreams) return notAuthentic
    length[0] = octets
    const status = this.functions[name]!(this.session.handle, packet, length)
    if (status === ok) {
      if (!known) this.#streams.add(ssrc)
      this.#latest = ssrc
      return length[0]!
    }
    return replayStatuses.includes(status) ? replayed : notAuthentic
  }

  /** Takes the key identifier out of a packet, which it is no part of for libsrtp. @returns false where there is another, or none */
  #takeMki(packet: Buffer, at: number): boolean {
    const { length: octets } = this.#mki
    if (octets === 0) return true
    for (let n = 0; n < octets; n++) if (packet[at + n] !== this.#mki[n]) return false
    packet.copyWithin(at, at + octets)
    return true
  }
}
