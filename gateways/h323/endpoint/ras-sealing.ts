/** Hashes over RAS where there is a password: the octets of what is sent, and whether what came is from who knows it. @see H.235.1 */
import { randomInt } from 'node:crypto'
import type { Clock } from '#kernel'
import type { RasMessage } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import { baselineToken, baselineTokenOf, isSealed, judgeFreshness, keyOfPassword, type SeenToken, seal } from '../h235/h235.ts'

export interface RasSealing {
  /** Without a password nothing is sealed, and everything believed. */
  readonly isOn: boolean
  /** The octets of a message, sealed where it has to be. */
  readonly encode: (message: RasMessage) => Buffer
  /** @param octets as they came: the hash is over these */
  readonly isTrusted: (octets: Buffer, message: RasMessage) => boolean
}

export interface RasSealingOptions {
  readonly user: { readonly name: string; readonly password: string } | null
  readonly clock: Clock
  /** As registered by now. */
  readonly endpointIdentifier: () => string | null
  readonly gatekeeperIdentifier: () => string | null
}

const clockToleranceS = 120

const tokensOf = (message: RasMessage): Parameters<typeof baselineTokenOf>[0] =>
  'value' in message && typeof message.value === 'object' && message.value !== null && 'cryptoTokens' in message.value
    ? (message.value.cryptoTokens as Parameters<typeof baselineTokenOf>[0])
    : undefined

export function rasSealing({ user, clock, endpointIdentifier, gatekeeperIdentifier }: RasSealingOptions): RasSealing {
  if (user === null) return { isOn: false, encode: (message) => rasMessage.encode(message), isTrusted: () => true }
  const key = keyOfPassword(user.password)
  let seen: readonly SeenToken[] = []
  return {
    isOn: true,
    encode: (message) => {
      if (message.type === 'gatekeeperRequest') return rasMessage.encode(message)
      const token = baselineToken({
        sendersID: endpointIdentifier() ?? user.name,
        generalID: gatekeeperIdentifier() ?? '',
        timeStamp: Math.floor(clock.now() / 1000),
        random: randomInt(0x7fff_ffff)
      })
      const value = { ...(message as { readonly value: object }).value, cryptoTokens: [token] }
      return seal(rasMessage, { type: message.type, value } as unknown as RasMessage, key, tokensOf)
    },
    isTrusted: (octets, message) => {
      if (message.type === 'gatekeeperConfirm' || message.type === 'gatekeeperReject') return true
      const tokens = tokensOf(message)
      // a gatekeeper cannot seal what it says to somebody whose password it does not know
      if (message.type === 'registrationReject' && tokens === undefined) return true
      if (!isSealed(octets, tokens, key)) return false
      const { claims } = baselineTokenOf(tokens)!
      // both sides seal with one key: what we have sealed ourselves and comes back is nobody's word
      const sender = claims.sendersID?.replace(/\0+$/, '') ?? ''
      if (sender === endpointIdentifier() || sender === user.name) return false
      const { verdict, seen: next } = judgeFreshness(seen, claims, clock.now() / 1000, clockToleranceS)
      seen = next
      return verdict === 'fresh'
    }
  }
}
