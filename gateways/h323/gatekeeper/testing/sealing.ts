import type { RasMessage } from '../../h225/h225.ts'
import { rasMessage } from '../../h225/pdus.ts'
import { baselineToken, type baselineTokenOf, keyOfPassword, seal } from '../../h235/h235.ts'
import type { RasClient } from './ras-client.ts'

export const tokensOf = (message: RasMessage) =>
  ('value' in message && 'cryptoTokens' in message.value ? message.value.cryptoTokens : undefined) as Parameters<
    typeof baselineTokenOf
  >[0]

let random = 0

export interface Sealing {
  readonly password: string
  readonly sendersID: string
  readonly generalID?: string
  readonly ageS?: number
}

/** A message with the token of H.235.1, right for its password. */
export function sealed(message: RasMessage, { password, sendersID, generalID = 'infrafabric', ageS = 0 }: Sealing): Buffer {
  const token = baselineToken({ sendersID, generalID, timeStamp: Math.floor(Date.now() / 1000) - ageS, random: ++random })
  const value = { ...(message as { value: object }).value, cryptoTokens: [token] }
  return seal(rasMessage, { type: message.type, value } as unknown as RasMessage, keyOfPassword(password), tokensOf)
}

export const askSealed = async (client: RasClient, message: RasMessage, how: Sealing): Promise<RasMessage> =>
  rasMessage.decode(await client.askOctets(sealed(message, how)))
