/** An application that speaks the payloads of the drachtio protocol straight to an engine, without a socket. */
import { randomUUID } from 'node:crypto'
import type { Engine } from '../core/engine.ts'
import type { Application } from '../drachtio/application.ts'
import { parseClientMessage } from '../drachtio/client-message.ts'

/** One payload from the server. */
export interface ServerPayload {
  /** All fields of the meta line: 0 is the message id, 1 the kind. */
  readonly fields: readonly string[]
  /** SIP text behind the meta line; empty when there is none. */
  readonly sip: string
}

export interface FakeApplication {
  readonly application: Application
  readonly payloads: ServerPayload[]
  /** Payloads that carry SIP off the wire or made by the engine (kind `sip`). */
  readonly delivered: () => ServerPayload[]
  /** Sends a payload (without its message id) and gives the server's reply to it. Line ends of `sip` may be LF. */
  readonly send: (meta: string, sip?: string) => ServerPayload | undefined
  readonly disconnect: () => void
}

let nextId = 1

export function createFakeApplication(
  engine: Engine,
  verbs: readonly string[],
  arrived?: (payload: ServerPayload, self: FakeApplication) => void,
  tags: readonly string[] = []
): FakeApplication {
  const payloads: ServerPayload[] = []
  const application: Application = {
    id: nextId++,
    tags,
    open: true,
    send: (meta, message) => {
      const payload = { fields: meta.split('|'), sip: message === undefined ? '' : Buffer.from(message).toString('latin1') }
      payloads.push(payload)
      if (payload.fields[1] === 'sip') arrived?.(payload, self)
    }
  }
  const self: FakeApplication = {
    application,
    payloads,
    delivered: () => payloads.filter(({ fields }) => fields[1] === 'sip'),
    send: (meta, sip) => {
      const id = randomUUID()
      const text = sip === undefined ? `${id}|${meta}` : `${id}|${meta}\r\n${sip.replace(/\r?\n/g, '\r\n')}`
      const message = parseClientMessage(Buffer.from(text, 'latin1'))
      if (message.kind === 'authenticate' || message.kind === 'ping' || message.kind === 'refused')
        throw new TypeError(message.kind)
      engine.applicationHandler.message(application, message)
      return payloads.find(({ fields }) => fields[1] === 'response' && fields[2] === id)
    },
    disconnect: () => {
      application.open = false
      engine.applicationHandler.closed(application)
    }
  }
  engine.applicationHandler.joined(application)
  for (const verb of verbs) self.send(`route|${verb}`)
  return self
}
