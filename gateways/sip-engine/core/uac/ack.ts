/** ACK for a 2xx, which has no transaction: it is sent again for each 2xx that comes again. @see RFC 3261 §13.2.2.4 */
import { emptyBody, encodeRequest, type OutgoingRequest } from '../../codec/serialize.ts'
import { hostPort } from '../../common/own-address.ts'
import { retainBody } from '../../common/retained.ts'
import { newBranch } from '../../common/tokens.ts'
import { requestTarget } from '../../dialog/dialog.ts'
import { dialogLines, readdressed } from '../../dialog/outgoing-messages.ts'
import type { AnsweredInvite, Session } from '../../dialog/sessions.ts'
import { contentType, type Draft, wireOthers } from '../../drachtio/header-rules.ts'
import type { Path } from '../../next-hop/paths.ts'
import type { Core } from '../core.ts'

/** Sends the ACK for a 2xx, with what the application puts into it; `sent` is called before it goes out. */
export function sendAck(
  core: Core,
  session: Session,
  waiting: AnsweredInvite,
  draft: Draft | null,
  sent?: (bytes: Buffer, path: Path) => void
): void {
  const { paths, counters, log } = core
  const target = requestTarget(session.dialog)
  const type = draft === null ? null : (contentType(draft) ?? null)
  paths.inDialog(session, target.nextHop, (path) => {
    if (path === undefined) return void log.warn({ session: session.id }, 'no way to send ACK')
    const headers = dialogLines(
      session.dialog,
      path.listener,
      newBranch(),
      { number: waiting.cseq, method: 'ACK' },
      target.routes
    )
    if (draft !== null) headers.push(...wireOthers(draft, hostPort(path.listener)))
    if (type !== null) headers.push(['Content-Type', type])
    const body = draft?.body ?? emptyBody
    if (body.length > 0 && type !== null) session.localBody = retainBody(type, body)
    const request: OutgoingRequest = { method: 'ACK', uri: target.requestUri, headers, body }
    const transmit = (on: Path, bytes: Buffer) => {
      waiting.ack = bytes
      waiting.transmitAck = () => {
        counters.requestsSent++
        on.transmit(bytes, () => {
          counters.transportErrors++
          const next = paths.after(on, 'transportError')
          if (next !== null && waiting.ack === bytes)
            transmit(next, encodeRequest(readdressed(request, next.listener, newBranch())))
        })
      }
      waiting.transmitAck()
    }
    const small = encodeRequest(request)
    const fit = paths.fitting(path, small.length)
    const bytes = fit === path ? small : encodeRequest(readdressed(request, fit.listener, newBranch()))
    sent?.(bytes, fit)
    transmit(fit, bytes)
  })
}
