/** Who sent a RAS message: H.235.1 with the passwords of the configured users. */
import type { CryptoH323Token, RasMessage } from '../../h225/h225.ts'
import { rasMessage } from '../../h225/pdus.ts'
import { baselineToken, baselineTokenOf, isSealed, judgeFreshness, keyOfPassword, type SeenToken, seal } from '../../h235/h235.ts'
import { keyOfText } from '../addresses.ts'
import type { Settings } from '../config.ts'

export interface Authenticator {
  /** The user whose password sealed these octets for this gatekeeper, now, for the first time; null for anything else. */
  readonly userOf: (
    octets: Uint8Array,
    message: RasMessage,
    nowMs: number
  ) => { readonly user: string; readonly sendersId: string } | null
  /** Encodes a message with the seal of a user's password. */
  readonly encode: (message: RasMessage, user: string, generalID: string, nowMs: number, random: number) => Uint8Array
}

const tokensOf = (message: RasMessage): readonly CryptoH323Token[] | undefined => {
  const body = 'value' in message ? message.value : undefined
  return body !== undefined && 'cryptoTokens' in body ? (body.cryptoTokens as readonly CryptoH323Token[] | undefined) : undefined
}

const clean = (name: string | undefined): string => name?.replace(/\0+$/, '') ?? ''

/** Requests of one user within the window of its clock; more are refused. */
const mostSeen = 2000

/** @param userOfEndpoint the user of a registered endpoint: after the registration its identifier is the sender's name */
export function createAuthenticator(settings: Settings, userOfEndpoint: (endpointId: string) => string | null): Authenticator {
  const users = settings.users ?? []
  const keys = new Map(users.map(({ name, password }) => [name, keyOfPassword(password)]))
  const byAlias = new Map(users.flatMap(({ name, aliases }) => [name, ...aliases].map((alias) => [keyOfText(alias), name])))
  const seen = new Map<string, readonly SeenToken[]>()
  return {
    userOf(octets, message, nowMs) {
      const tokens = tokensOf(message)
      const claims = baselineTokenOf(tokens)?.claims
      if (claims === undefined || clean(claims.generalID) !== settings.identifier) return null
      const sendersId = clean(claims.sendersID)
      const user = userOfEndpoint(sendersId) ?? byAlias.get(keyOfText(sendersId)) ?? null
      const key = keys.get(user ?? '')
      if (user === null || key === undefined || !isSealed(octets, tokens, key)) return null
      const before = seen.get(user) ?? []
      const judged = judgeFreshness(before, claims, Math.floor(nowMs / 1000), settings.clockToleranceS)
      seen.set(user, judged.seen)
      return judged.verdict === 'fresh' && judged.seen.length <= mostSeen ? { user, sendersId } : null
    },
    encode(message, user, generalID, nowMs, random) {
      const token = baselineToken({ sendersID: settings.identifier, generalID, timeStamp: Math.floor(nowMs / 1000), random })
      const body = message as { readonly type: string; readonly value: object }
      const sealed = { type: body.type, value: { ...body.value, cryptoTokens: [token] } } as unknown as RasMessage
      return seal(rasMessage, sealed, keys.get(user)!, tokensOf)
    }
  }
}
