import { parseAddress, parseAddressList } from '../codec/address.ts'
import { header, headerLines, parseMessage } from '../codec/message.ts'
import type { ReceivedRequest } from '../transaction/received.ts'
import type { Paths } from './paths.ts'

/**
 * Remembers the connection of a REGISTER or SUBSCRIBE that was accepted, for as long as it was accepted: requests to that contact go over it,
 * since a peer behind NAT or a browser can be reached in no other way (RFC 5626 §1).
 */
export function registerFlow(paths: Paths, received: ReceivedRequest, response: Buffer): void {
  const granted = header(parseMessage(response), 'expires')
  const owner = parseAddress(header(received.message, received.cseq.method === 'REGISTER' ? 'to' : 'from')!)!.uri
  for (const contact of parseAddressList(headerLines(received.message, 'contact')) ?? []) {
    const asked = contact.params.get('expires') ?? header(received.message, 'expires')
    const expiresS = asked === '0' ? 0 : Number(granted ?? asked ?? 3600)
    if (Number.isFinite(expiresS)) paths.register(owner, contact, received.flow, Math.min(expiresS, 86_400))
  }
}
