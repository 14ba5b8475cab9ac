/** How messages find their transaction. */
import { header, type SipMessage } from '../codec/message.ts'
import { bracketed } from '../codec/uri.ts'
import { magicCookie, type Via } from '../codec/via.ts'

/**
 * Key of the server transaction a request belongs to. ACK has the key of its INVITE; a CANCEL has a key of its own.
 *
 * @param as method to look for: `INVITE` finds the INVITE that a CANCEL is for.
 * @see RFC 3261 §17.2.3
 */
export function serverKey(message: SipMessage, via: Via, as: string): string {
  const method = as === 'ACK' ? 'INVITE' : as
  const key = branchKey(via, method)
  if (key !== undefined) return key
  const sentBy = `${bracketed(via.host)}:${via.port ?? ''}`
  const number = header(message, 'cseq')?.split(/[ \t]/, 1)[0]
  const from = /;[ \t]*tag[ \t]*=[ \t]*([^;\s]+)/i.exec(header(message, 'from') ?? '')?.[1] ?? ''
  return `2543|${header(message, 'call-id')}|${from}|${number}|${sentBy}|${method}`
}

/** The same by the top Via alone; undefined where its branch was not made by the rules of RFC 3261. */
export function branchKey(via: Via, method: string): string | undefined {
  const branch = via.params.get('branch')
  if (!branch?.startsWith(magicCookie) || branch.length === magicCookie.length) return undefined
  return `${branch}|${bracketed(via.host)}:${via.port ?? ''}|${method}`
}

/** Method of the request that made the key of a server transaction. */
export function methodOfKey(key: string): string {
  return key.slice(key.lastIndexOf('|') + 1)
}

/** Key of the client transaction a response belongs to. @see RFC 3261 §17.1.3 */
export function clientKey(branch: string, method: string): string {
  return `${branch}|${method}`
}
