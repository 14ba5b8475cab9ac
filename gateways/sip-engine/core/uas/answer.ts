/** Responses that the engine makes by itself. */
import { header } from '../../codec/message.ts'
import { reasonPhrases } from '../../codec/reasons.ts'
import { emptyBody, encodeResponse, type HeaderLine } from '../../codec/serialize.ts'
import { withTag } from '../../dialog/dialog.ts'
import type { WireFacts } from '../../drachtio/server-message.ts'
import type { AnswerOptions, Asked } from '../../transaction/asked.ts'
import type { ReceivedRequest } from '../../transaction/received.ts'
import type { Flow } from '../../transport/port.ts'
import type { Core } from '../core.ts'

/** Sends a response that the engine makes by itself. @returns it, as sent. */
export function made(
  core: Core,
  { transaction, received }: Asked,
  status: number,
  tag: string,
  options: AnswerOptions = {}
): Buffer {
  const headers = answerHeaders(received, status === 100 ? '' : tag)
  if (options.headers !== undefined) headers.push(...options.headers)
  if (core.userAgent !== null && status !== 100) headers.push(['Server', core.userAgent])
  const bytes = encodeResponse({ status, reason: options.reason ?? reasonPhrases[status] ?? '', headers, body: emptyBody })
  core.transactions.respond(transaction, status, bytes)
  return bytes
}

/** The same for those who have no use for it. */
export function answer(...args: Parameters<typeof made>): void {
  made(...args)
}

/** The header fields that every response repeats of its request. @see RFC 3261 §8.2.6.2 */
export function answerHeaders(received: ReceivedRequest, toTag: string): HeaderLine[] {
  const headers: HeaderLine[] = received.vias.map((value) => ['Via', value])
  headers.push(
    ['From', header(received.message, 'from')!],
    ['To', withTag(header(received.message, 'to')!, toTag)],
    ['Call-ID', received.callId],
    ['CSeq', `${received.cseq.number} ${received.cseq.method}`]
  )
  return headers
}

/** What an application is told of where a message came from. */
export function wireFacts(core: Core, octets: number, flow: Flow): WireFacts {
  return {
    octets,
    transport: flow.listener.transport,
    address: flow.remote.address,
    port: flow.remote.port,
    time: core.time()
  }
}
