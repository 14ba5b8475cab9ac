import type { Clock } from '#kernel'
import type { SipServerConnection } from './drachtio.ts'

/** A response of a transaction that the application takes part in, as either side; none is told twice. */
export interface ResponseSeen {
  /** Upper case, as the request had it: of a request from outside it is what the caller sent. */
  readonly method: string
  /** 100 to 699. */
  readonly status: number
  /** From the request to this response, milliseconds. */
  readonly afterMs: number
  readonly direction: 'sent' | 'received'
}

interface Request {
  readonly method: string
  readonly source: string
}

interface SentRequest extends Request {
  readonly on: (event: 'response', listener: (response: { readonly status: number }) => void) => void
}

type Sent = (error: unknown, request?: SentRequest) => void

/** What requests of ours go through, those inside dialogs too. It is there once a connection was asked for. */
interface Client {
  request: (...options: unknown[]) => unknown
}

/** What every request from outside goes through, before drachtio-srf looks for its dialog. */
interface Router {
  handle: (request: Request, response: { send: (status: number, ...more: unknown[]) => unknown }, next: unknown) => unknown
  connect: (...options: unknown[]) => unknown
  readonly client: Client
}

/**
 * Tells every response on a connection of drachtio-srf: it answers some requests by itself (BYE, those of unknown dialogs), so that its users do not see all.
 * Responses to what the server sent on our behalf are left out: nobody gets them.
 */
export function watchResponses(
  connection: SipServerConnection,
  { monotonicMs }: Pick<Clock, 'monotonicMs'>,
  tell: (seen: ResponseSeen) => void
): void {
  const { app } = connection as unknown as { readonly app: Router }
  const handle = app.handle.bind(app)
  app.handle = (request, response, next) => {
    if (request.source !== 'application') {
      const receivedMs = monotonicMs()
      const { method } = request
      const send = response.send.bind(response)
      let isOver = false
      response.send = (status, ...more) => {
        const sent = send(status, ...more)
        if (!isOver) tell({ method, status, afterMs: monotonicMs() - receivedMs, direction: 'sent' })
        isOver ||= status >= 200
        return sent
      }
    }
    return handle(request, response, next)
  }
  const connect = app.connect.bind(app)
  app.connect = (...options) => {
    const connected = connect(...options)
    watchRequests(app.client, monotonicMs, tell)
    return connected
  }
}

function watchRequests(client: Client, monotonicMs: () => number, tell: (seen: ResponseSeen) => void): void {
  const request = client.request.bind(client)
  client.request = (...options) => {
    const sent = options.at(-1)
    if (typeof sent !== 'function') return request(...options)
    const sentMs = monotonicMs()
    const watched: Sent = (error, made) => {
      const method = made?.method ?? ''
      if (method !== 'ACK')
        made?.on('response', ({ status }) => tell({ method, status, afterMs: monotonicMs() - sentMs, direction: 'received' }))
      ;(sent as Sent)(error, made)
    }
    return request(...options.slice(0, -1), watched)
  }
}
