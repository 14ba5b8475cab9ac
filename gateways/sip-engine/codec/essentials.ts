/** What is left to act on of a message that exceeds the limits. */
import { DecodeError } from '#kernel'
import { headerLines, parseMessage, type SipMessage } from './message.ts'
import { encodeRequest, encodeResponse, type HeaderLine } from './serialize.ts'

/** By these a message is answered, or a response ends what it is about. */
const kept = [
  ['Via', 'via'],
  ['Record-Route', 'record-route'],
  ['From', 'from'],
  ['To', 'to'],
  ['Call-ID', 'call-id'],
  ['CSeq', 'cseq'],
  ['Contact', 'contact'],
  ['Require', 'require'],
  ['RSeq', 'rseq'],
  ['Retry-After', 'retry-after']
] as const

const unbounded = {
  startLine: Number.POSITIVE_INFINITY,
  headerCount: Number.POSITIVE_INFINITY,
  headerLine: Number.POSITIVE_INFINITY,
  headerSection: Number.POSITIVE_INFINITY,
  body: Number.POSITIVE_INFINITY
}
const mostLines = 256
const longestValue = 16_384
const longestReason = 128
const noBody = Buffer.alloc(0)
const cutDown = 'sip.limit.message'

/**
 * Cuts a message down to its start line and the header fields without which nobody can be told of it; its body is left out. Its `defect` says so.
 *
 * @param bytes at most as much as one datagram holds, or a header section of a stream.
 * @returns undefined where even these cannot be read, or are too long themselves.
 */
export function essentials(bytes: Buffer): SipMessage | undefined {
  try {
    const whole = parseMessage(bytes, unbounded)
    const headers: HeaderLine[] = kept.flatMap(([name, key]) => headerLines(whole, key).map((value): HeaderLine => [name, value]))
    if (headers.length > mostLines || headers.some(([, value]) => value.length > longestValue)) return undefined
    const { kind } = whole
    const message = parseMessage(
      kind === 'response'
        ? encodeResponse({ status: whole.status, reason: whole.reason.slice(0, longestReason), headers, body: noBody })
        : encodeRequest({ method: whole.method, uri: whole.uri, headers, body: noBody })
    )
    const defect = new DecodeError(cutDown, 'message is larger than allowed', { path: 'message', bitOffset: 0 })
    return { ...message, defect: message.defect ?? defect }
  } catch {
    return undefined
  }
}

/** Whether this is what `essentials` has left of a message. */
export const isCutDown = ({ defect }: Pick<SipMessage, 'defect'>): boolean => defect?.code === cutDown

/** Whether a fault says that the message is larger than allowed, and nothing else. */
export const isOverlong = (code: string | undefined): boolean => code?.startsWith('sip.limit.') ?? false
