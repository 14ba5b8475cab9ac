/**
 * Crypto suites of SRTP, strongest first.
 *
 * @see RFC 4568 §6.2, RFC 6188 §4 (AES-256), RFC 7714 §14.2 (GCM)
 */
export interface CryptoSuite {
  /** As in SDP. */
  readonly name: string
  /** Octets of the master key. */
  readonly keyLength: number
  /** Octets of the master salt. */
  readonly saltLength: number
  /** Octets that a packet of RTP grows by. */
  readonly tagLength: number
  /** Octets that a packet of RTCP grows by, the word with its index included. */
  readonly controlGrowth: number
  /** Octets behind a key identifier (MKI) in packets of RTP and of RTCP: the authentication tag, where it is no part of the ciphertext. @see RFC 3711 §3.1, §3.4, RFC 7714 §8.2 */
  readonly behindMki: readonly [rtp: number, rtcp: number]
  /** The functions of libsrtp that write it into a policy, for RTP and for RTCP. */
  readonly policies: readonly [rtp: PolicyFunction, rtcp: PolicyFunction]
}

export const policyFunctions = [
  'srtp_crypto_policy_set_aes_gcm_256_16_auth',
  'srtp_crypto_policy_set_aes_gcm_128_16_auth',
  'srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80',
  'srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32',
  'srtp_crypto_policy_set_rtp_default',
  'srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32'
] as const

type PolicyFunction = (typeof policyFunctions)[number]

const counterMode = (name: string, keyLength: number, tagLength: number, rtp: PolicyFunction, rtcp = rtp): CryptoSuite => ({
  name,
  keyLength,
  saltLength: 14,
  tagLength,
  // the word with the index, and always the long tag (RFC 4568 §6.2.2, RFC 6188 §4)
  controlGrowth: 4 + 10,
  behindMki: [tagLength, 10],
  policies: [rtp, rtcp]
})

const galois = (name: string, keyLength: number, policy: PolicyFunction): CryptoSuite => ({
  name,
  keyLength,
  saltLength: 12,
  tagLength: 16,
  controlGrowth: 4 + 16,
  behindMki: [0, 0],
  policies: [policy, policy]
})

const [gcm256, gcm128, cm256Long, cm256Short, cm128Long, cm128Short] = policyFunctions

export const cryptoSuites: readonly CryptoSuite[] = [
  galois('AEAD_AES_256_GCM', 32, gcm256),
  galois('AEAD_AES_128_GCM', 16, gcm128),
  counterMode('AES_256_CM_HMAC_SHA1_80', 32, 10, cm256Long),
  counterMode('AES_256_CM_HMAC_SHA1_32', 32, 4, cm256Short, cm256Long),
  counterMode('AES_CM_128_HMAC_SHA1_80', 16, 10, cm128Long),
  counterMode('AES_CM_128_HMAC_SHA1_32', 16, 4, cm128Short, cm128Long)
]

export const cryptoSuiteNamed = (name: string): CryptoSuite | undefined => cryptoSuites.find((suite) => suite.name === name)
