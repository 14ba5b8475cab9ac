/**
 * An application that reads what the engine says as drachtio-srf does, and complains about everything drachtio-srf could not read or would
 * misunderstand. It knows no scenario.
 */
import { randomUUID } from 'node:crypto'
import { header, parseMessage, type SipMessage } from '../codec/message.ts'
import { requestInsanity, responseInsanity } from '../codec/sanity.ts'
import type { Engine } from '../core/engine.ts'
import type { Application } from '../drachtio/application.ts'
import { parseClientMessage } from '../drachtio/client-message.ts'

/** A reply to something the application sent. */
export interface Reply {
  readonly ok: boolean
  /** Text of a refusal. */
  readonly text: string
  readonly transactionId: string
  readonly dialogId: string
  /** What was put on the wire; null where the reply has no message. */
  readonly message: SipMessage | null
}

/** A request the application was shown. */
export interface Incoming {
  readonly method: string
  readonly message: SipMessage
  readonly transactionId: string
  readonly dialogId: string
  /** Whether the engine made it by itself, to say that the dialog is gone. */
  readonly unsolicited: boolean
}

/** A response to a request of the application. */
export interface Response {
  readonly status: number
  readonly message: SipMessage
  readonly dialogId: string
  readonly madeUp: boolean
}

export interface UserEvents {
  readonly request: (incoming: Incoming) => void
  readonly violation: (text: string) => void
}

export interface User {
  readonly address: string
  /** Sends a request and follows it; `reply` comes before the first response. */
  readonly request: (
    target: { readonly dialogId: string } | 'new',
    lines: readonly string[],
    options: {
      readonly body?: string
      readonly replied?: (reply: Reply) => void
      readonly response?: (response: Response) => void
      /** A refusal that the scenario provokes. */
      readonly refusable?: RegExp
    }
  ) => void
  /** @param refusable a refusal that the scenario provokes. */
  readonly respond: (
    incoming: Incoming,
    lines: readonly string[],
    options?: { readonly body?: string; readonly replied?: (reply: Reply) => void; readonly refusable?: RegExp }
  ) => void
  readonly cancel: (transactionId: string) => void
  /** Any other message of the protocol; every reply to it is given. */
  readonly command: (meta: string, sip: string, replied: (fields: readonly string[]) => void) => void
  /** Requests of the application without a final response, and replies that did not come. */
  readonly waiting: () => number
}

interface Following {
  readonly method: string
  readonly dialogId: string
  readonly response: ((response: Response) => void) | undefined
  done: boolean
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const wireTime = /^\d\d:\d\d:\d\d\.\d{6}$/
let nextId = 1

export function createUser(engine: Engine, address: string, verbs: readonly string[], events: UserEvents): User {
  const replies = new Map<string, (fields: readonly string[], sip: Buffer | null) => void>()
  const followed = new Map<string, Following>()
  /** Method by transaction id of every request that was shown, and whether its CANCEL or ACK was too. */
  const shown = new Map<string, { readonly method: string; ack: boolean; cancel: boolean }>()
  const complain = (text: string): void => events.violation(`${address}: ${text}`)

  const read = (sip: Buffer, what: string): SipMessage | undefined => {
    try {
      const message = parseMessage(sip)
      const insanity = message.kind === 'request' ? requestInsanity(message) : responseInsanity(message)
      if (insanity === undefined) return message
      complain(`${what} is malformed: ${insanity.error.message}`)
    } catch (error) {
      complain(`${what} does not parse: ${(error as Error).message}`)
    }
    return undefined
  }

  const dialogIdOf = (message: SipMessage, side: 'from' | 'to'): string =>
    `${header(message, 'call-id')};from-tag=${/;tag=([^;]+)/.exec(header(message, side) ?? '')?.[1] ?? ''}`

  const arrivedResponse = (message: SipMessage, fields: readonly string[]) => {
    if (message.kind !== 'response') return
    const [transactionId, dialogId] = [fields[8]!, fields[9]!]
    const following = followed.get(transactionId)
    const what = `${message.status} to ${header(message, 'cseq')}`
    if (following === undefined) return complain(`${what} belongs to no request`)
    if (following.done) return complain(`${what} behind the final response`)
    if (message.status === 100) return complain('100 is shown')
    if (following.dialogId !== dialogId) complain(`${what} has dialog id ${dialogId}, not ${following.dialogId}`)
    if (message.status > 100 && message.status < 300 && !/;tag=/.test(header(message, 'to')!)) complain(`${what} has no To tag`)
    if (message.status >= 200) {
      following.done = true
      followed.delete(transactionId)
    }
    following.response?.({ status: message.status, message, dialogId, madeUp: fields[3] === '0' })
  }

  const arrivedRequest = (message: SipMessage, fields: readonly string[]) => {
    if (message.kind !== 'request') return
    const { method } = message
    const [transactionId, dialogId] = [fields[8]!, fields[9]!]
    const unsolicited = fields[2] === 'application'
    if (unsolicited) {
      if (transactionId !== 'unsolicited' || method !== 'BYE')
        complain(`an unsolicited ${method} with transaction ${transactionId}`)
      if (!/text="[^"]+"/.test(header(message, 'reason') ?? '')) complain('an unsolicited BYE without a text in Reason')
      return events.request({ method, message, transactionId, dialogId, unsolicited })
    }
    if (!uuid.test(transactionId)) complain(`${method} has transaction id ${transactionId}`)
    const isNew = fields.length === 13
    if (isNew !== (dialogId === '') && method !== 'CANCEL')
      complain(`${method} has ${fields.length} fields and dialog id "${dialogId}"`)
    if (isNew && (fields[10] === '' || !/^\d+$/.test(fields[11]!))) complain(`${method} has no receivedOn`)
    if (dialogId !== '' && dialogId !== dialogIdOf(message, 'from') && dialogId !== dialogIdOf(message, 'to')) {
      complain(`${method} has dialog id ${dialogId}`)
    }
    const known = shown.get(transactionId)
    if (method === 'ACK') {
      if (known?.method !== 'INVITE' || known.ack || known.cancel) complain('an ACK for no INVITE, or a second one')
      if (known !== undefined) known.ack = true
    } else if (method === 'CANCEL') {
      if (known?.method !== 'INVITE' || known.ack || known.cancel) complain('a CANCEL for no INVITE, or a second one')
      if (known !== undefined) known.cancel = true
    } else {
      if (known !== undefined) complain(`${method} is shown twice`)
      shown.set(transactionId, { method, ack: false, cancel: false })
    }
    events.request({ method, message, transactionId, dialogId, unsolicited })
  }

  const application: Application = {
    id: nextId++,
    tags: [],
    open: true,
    send: (meta, sip) => {
      const fields = meta.split('|')
      if (!uuid.test(fields[0]!)) complain(`message id ${fields[0]}`)
      const bytes = sip === undefined ? null : Buffer.from(sip)
      if (fields[1] === 'response') {
        const taken = replies.get(fields[2]!)
        if (taken === undefined) return complain(`a reply to nothing: ${meta}`)
        taken(fields, bytes)
      } else if (fields[1] === 'sip') {
        if (fields.length < 11 || !wireTime.test(fields[7]!)) complain(`meta line ${meta}`)
        const message = bytes === null ? undefined : read(bytes, meta)
        if (message?.kind === 'response') arrivedResponse(message, fields)
        else if (message !== undefined) arrivedRequest(message, fields)
      } else complain(`a message of kind ${fields[1]}`)
    }
  }

  const say = (
    meta: string,
    sip: string,
    body: string,
    replied: (fields: readonly string[], sip: Buffer | null) => void
  ): string => {
    const id = randomUUID()
    replies.set(id, replied)
    const message = parseClientMessage(Buffer.from(`${id}|${meta}${sip === '' ? '' : `\r\n${sip}\r\n\r\n${body}`}`, 'latin1'))
    if (message.kind === 'authenticate' || message.kind === 'ping' || message.kind === 'refused')
      throw new TypeError(message.kind)
    engine.applicationHandler.message(application, message)
    return id
  }

  /** Sends something that has one reply, which echoes what went out. */
  const echoed = (
    meta: string,
    lines: readonly string[],
    body: string,
    refusable: RegExp | undefined,
    replied: (reply: Reply) => void
  ): void => {
    const what = lines[0]!
    let answered = false
    const id = say(meta, lines.join('\r\n'), body, (fields, sip) => {
      if (answered) return complain(`a second reply to ${what}`)
      answered = true
      replies.delete(fields[2]!)
      const ok = fields[3] === 'OK'
      if (!ok) {
        if (fields[3] !== 'NOK' || refusable?.test(fields[4] ?? '') !== true) complain(`${what}: ${fields.slice(3).join('|')}`)
        return replied({ ok, text: fields[4] ?? '', transactionId: '', dialogId: '', message: null })
      }
      const isResponse = what.startsWith('SIP/2.0')
      if (fields[4] !== 'application' || !wireTime.test(fields[9]!) || !uuid.test(fields[10]!))
        complain(`${what}: reply ${fields.join('|')}`)
      const at = isResponse ? 13 : 11
      if (fields[at] !== 'Msg sent:' || (isResponse && fields[12] !== '')) complain(`${what}: reply ${fields.join('|')}`)
      const message = sip === null ? undefined : read(sip, `echo of ${what}`)
      if (message === undefined) return complain(`${what}: no echo`)
      replied({ ok, text: '', transactionId: fields[10]!, dialogId: isResponse ? fields[11]! : '', message })
    })
    if (answered) replies.delete(id)
  }

  for (const verb of verbs) say(`route|${verb}`, '', '', ([, , id]) => void replies.delete(id!))

  return {
    address,
    request: (target, lines, { body = '', replied, response, refusable }) => {
      const method = lines[0]!.split(' ', 1)[0]!
      const meta = target === 'new' ? 'sip||' : `sip||${target.dialogId}`
      echoed(meta, lines, body, refusable, (reply) => {
        if (reply.ok && method !== 'ACK') {
          const creates = method === 'INVITE' || method === 'SUBSCRIBE' || method === 'REFER'
          const own = target === 'new' ? (creates ? dialogIdOf(reply.message!, 'from') : '') : target.dialogId
          if (followed.has(reply.transactionId)) complain(`transaction id ${reply.transactionId} twice`)
          followed.set(reply.transactionId, { method, dialogId: own, response, done: false })
        }
        replied?.(reply)
      })
    },
    respond: (incoming, lines, { body = '', replied, refusable } = {}) =>
      echoed(`sip|${incoming.transactionId}|`, lines, body, refusable, (reply) => {
        if (reply.ok && incoming.dialogId !== '' && reply.dialogId !== incoming.dialogId)
          complain(`${lines[0]}: dialog id ${reply.dialogId}`)
        replied?.(reply)
      }),
    cancel: (transactionId) => echoed(`sip|${transactionId}|`, ['CANCEL sip:x@x SIP/2.0'], '', undefined, () => undefined),
    command: (meta, sip, replied) => void say(meta, sip, '', (fields) => replied(fields)),
    waiting: () => followed.size + replies.size
  }
}
