/** Keys of ours for one participant's stream, and whether it must be encrypted. */
import { randomBytes } from 'node:crypto'
import type { CryptoAttribute, OfferedKey } from './crypto-attribute.ts'
import { srtpAvailable } from './session.ts'
import { type CryptoSuite, cryptoSuiteNamed } from './suites.ts'

/**
 * `required`: plain audio is refused. `preferred`: audio is encrypted where the peer can, also where it offers keys with RTP/AVP (RFC 8643). `off`: no
 * encrypted audio.
 */
export type SrtpPolicy = 'required' | 'preferred' | 'off'
export const srtpPolicies: readonly SrtpPolicy[] = ['required', 'preferred', 'off']

/** How both sides encrypt a stream. The keys are never logged. */
export interface SrtpTerms {
  /** Of the crypto attribute that was chosen. */
  readonly tag: number
  readonly suite: string
  /** Master key and salt of what we send, and of what the peer sends. */
  readonly localKey: Uint8Array
  readonly remoteKey: Uint8Array
  /** Key identifier in each packet that the peer sends; empty for none. */
  readonly remoteMki: Uint8Array
}

/** Offered, strongest first; RFC 4568 demands the last. */
const offeredSuites = ['AEAD_AES_256_GCM', 'AES_CM_128_HMAC_SHA1_80']

export class Secrecy {
  readonly policy: SrtpPolicy
  #offered: readonly OfferedKey[] = []
  #answered: { readonly suite: CryptoSuite; readonly key: Uint8Array } | null = null

  constructor(policy: SrtpPolicy) {
    this.policy = policy === 'preferred' && !srtpAvailable() ? 'off' : policy
  }

  /** Keys for an offer of ours. The same until one was taken, and then that one. */
  offer(): readonly OfferedKey[] {
    if (this.policy === 'off') return []
    if (this.#answered !== null) return [{ tag: 1, ...this.#answered }]
    if (this.#offered.length === 0) {
      this.#offered = offeredSuites.map((name, at) => {
        const suite = cryptoSuiteNamed(name)!
        return { tag: at + 1, suite, key: randomBytes(suite.keyLength + suite.saltLength) }
      })
    }
    return this.#offered
  }

  /**
   * Takes the first of the peer's keys that goes with one of ours.
   *
   * @param answered whether they answer {@link offer}
   */
  choose(theirs: readonly CryptoAttribute[], answered: boolean): SrtpTerms | null {
    if (this.policy === 'off') return null
    for (const { tag, suite, key, mki } of theirs) {
      const localKey = answered ? this.offer().find((ours) => ours.tag === tag && ours.suite === suite)?.key : this.#keyFor(suite)
      if (localKey === undefined) continue
      this.#answered = { suite, key: localKey }
      return { tag, suite: suite.name, localKey, remoteKey: key, remoteMki: mki }
    }
    return null
  }

  /** A key of ours is kept as long as its suite is: another stream under the same key and from packet 0 on would give both away. */
  #keyFor(suite: CryptoSuite): Uint8Array {
    if (this.#answered?.suite === suite) return this.#answered.key
    return randomBytes(suite.keyLength + suite.saltLength)
  }
}
