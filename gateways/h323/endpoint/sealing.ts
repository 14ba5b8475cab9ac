/** H.235.1 over the user-user information of call signalling: both sides know one password. */
import { randomInt } from 'node:crypto'
import type { H323UserInformation } from '../h225/h225.ts'
import { h323UserInformation } from '../h225/pdus.ts'
import { baselineToken, baselineTokenOf, isSealed, judgeFreshness, keyOfPassword, type SeenToken, seal } from '../h235/h235.ts'
import { elementOctets, ie, type Q931Message } from '../q931/q931.ts'
import type { EndpointConfig } from './endpoint.ts'

const sealToleranceS = 120
const mostSeen = 10_000
/** Of a user-user element: X.208 and X.209 coded information (Q.931 table 4-26). */
const protocolDiscriminator = 5

export interface Sealing {
  /** The message with its hash. */
  readonly seal: (message: Q931Message) => Q931Message
  /** Whether the message has a right hash, for the first time. @throws {DecodeError} */
  readonly isTrusted: (message: Q931Message) => boolean
}

export function createSealing(
  { sendersID, generalID, password }: NonNullable<EndpointConfig['security']>,
  now: () => number
): Sealing {
  const key = keyOfPassword(password)
  let seen: readonly SeenToken[] = []
  const tokens = (information: H323UserInformation): Parameters<typeof baselineTokenOf>[0] => {
    const body = information['h323-uu-pdu']['h323-message-body']
    return 'value' in body && body.type !== 'unknownExtension'
      ? (body.value as { readonly cryptoTokens?: Parameters<typeof baselineTokenOf>[0] }).cryptoTokens
      : undefined
  }
  const check = (octets: Uint8Array): boolean => {
    const found = tokens(h323UserInformation.decode(octets))
    if (!isSealed(octets, found, key)) return false
    const { claims } = baselineTokenOf(found)!
    // one key seals both ways: what names us as its sender is a message of ours that was sent back
    if (sendersID !== generalID && claims.sendersID?.replace(/\0+$/, '') === sendersID) return false
    const { verdict, seen: next } = judgeFreshness(seen, claims, now() / 1000, sealToleranceS)
    seen = next.slice(-mostSeen)
    return verdict === 'fresh'
  }
  const sealed = (information: H323UserInformation): Uint8Array => {
    const body = information['h323-uu-pdu']['h323-message-body']
    const token = baselineToken({
      sendersID,
      generalID,
      timeStamp: Math.floor(now() / 1000),
      random: randomInt(0x7fff_ffff)
    })
    if (!('value' in body) || body.type === 'unknownExtension') return h323UserInformation.encode(information)
    const withToken = {
      ...information,
      'h323-uu-pdu': {
        ...information['h323-uu-pdu'],
        'h323-message-body': { type: body.type, value: { ...body.value, cryptoTokens: [token] } }
      }
    } as H323UserInformation
    return seal(h323UserInformation, withToken, key, tokens)
  }
  const sealedElement = (octets: Uint8Array): Uint8Array =>
    Buffer.concat([Buffer.of(protocolDiscriminator), sealed(h323UserInformation.decode(octets.subarray(1)))])
  return {
    seal: (message) => ({
      ...message,
      elements: message.elements.map((element) =>
        element.id === ie.userUser ? { ...element, octets: sealedElement(element.octets) } : element
      )
    }),
    isTrusted: (message) => {
      const octets = elementOctets(message, ie.userUser)
      return octets !== undefined && check(octets.subarray(1))
    }
  }
}
