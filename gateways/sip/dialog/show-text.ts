import { readTokens } from '../message/headers.ts'
import { components } from '../record/values.ts'
import type { SipDialog } from '../server/drachtio.ts'
import type { CallInside } from './requests.ts'

/** Largest text: a MESSAGE whole is not larger than 1300 octets, where nobody knows the paths behind the next hop. @see RFC 3428 §8 */
const mostTextOctets = 600

/**
 * Shows a text on the other side's telephone: a MESSAGE in the call's dialog, where the other side does not say that it takes none.
 *
 * A Call-Info header (RFC 3261 §20.9) would need another INVITE of its own, and telephones show a URI in it as a picture or a ring tone, if at all.
 *
 * @param allow its Allow header; where it has none, that means nothing (RFC 3261 §20.5)
 * @returns whether it took the text; null where it cannot be asked
 * @see RFC 3428 §3, §4
 */
export function showText(
  call: CallInside,
  dialog: SipDialog | null,
  allow: string | undefined,
  text: string
): Promise<boolean | null> {
  const octets = Buffer.byteLength(text)
  if (dialog === null || !call.isLive() || octets > mostTextOctets) return Promise.resolve(null)
  if (allow !== undefined && !readTokens(allow).has('message')) return Promise.resolve(null)
  const headers = { 'Content-Type': 'text/plain;charset=UTF-8', 'Session-ID': call.sessionId() }
  return new Promise((resolve) => {
    dialog.request({ method: 'MESSAGE', body: text, headers }, (error, response) => {
      const status = error != null || response === undefined ? null : response.status
      call.tell(components.sip, 'sip_message_sent', { status, octets })
      resolve(status !== null && status >= 200 && status < 300)
    })
  })
}
