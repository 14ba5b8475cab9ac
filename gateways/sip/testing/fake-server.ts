import type {
  InDialogMethod,
  RequestHandler,
  SendOptions,
  SipDialog,
  SipMessage,
  SipRequest,
  SipResponse,
  SipServerConnection
} from '../drachtio.ts'

export interface SentResponse {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

export interface ReceivedRequest {
  readonly sent: SentResponse[]
  readonly cancel: () => void
  /** Final status, or null while there is none. */
  readonly status: () => number | null
  readonly last: () => SentResponse | undefined
}

export interface FakeDialog {
  readonly byes: SendOptions[]
  /** ACK of the caller, with an SDP answer where one is due. */
  readonly ack: (body?: string) => void
  readonly bye: (options?: { reason?: string; byServer?: boolean }) => void
  readonly request: (method: InDialogMethod, options?: { headers?: Record<string, string>; body?: string }) => ReceivedRequest
}

/** A drachtio-srf that is connected to nothing: the test plays the server and the callers. */
export interface FakeServer extends SipServerConnection {
  readonly receive: (method: string, options?: RequestOptions) => ReceivedRequest
  readonly dialogs: FakeDialog[]
  /** The server answers the next 200 with an error: the transaction is gone. */
  transactionGone: boolean
  /** BYEs stay unanswered while set. */
  silent: boolean
  /** `refused`: the log-in fails; `unreachable`: nothing ever connects. */
  mode: 'accepts' | 'refused' | 'unreachable'
  disconnects: number
  readonly lose: () => void
}

export interface RequestOptions {
  readonly uri?: string
  /** Replace or, with null, remove headers of the default INVITE. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: string
  readonly from?: string
}

let callNumber = 0

function defaultHeaders(method: string): Record<string, string> {
  callNumber++
  return {
    From: '"Expert" <sip:expert-safety@external.advisor>;tag=from1',
    To: '<sip:council-safety@127.0.0.1>',
    'Call-ID': `call-${callNumber}@phone`,
    CSeq: `1 ${method}`,
    Contact: '<sip:expert-safety@192.0.2.7:5062>',
    'Content-Type': 'application/sdp',
    'X-IF-Edge-Source': '192.0.2.7',
    'X-IF-Edge-Transport': 'tls',
    'X-IF-Edge-TLS-Version': 'TLSv1.3',
    'X-IF-Edge-User': 'expert-safety',
    'X-IF-Edge-Digest': 'SHA-256',
    'X-IF-Edge-Layers': 'pike,allowlist,tls,digest,rate'
  }
}

function received(sent: SentResponse[], cancel: () => void): ReceivedRequest {
  return {
    sent,
    cancel,
    status: () => sent.find((response) => response.status >= 200)?.status ?? null,
    last: () => sent.at(-1)
  }
}

function exchange(
  method: string,
  uri: string,
  headers: Record<string, string>,
  body: string,
  source: string,
  sourceAddress: string
) {
  const sent: SentResponse[] = []
  const cancels: ((cancel: SipMessage) => void)[] = []
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const stored = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.startsWith('X-') ? name : name.toLowerCase(), value])
  )
  const request: SipRequest = {
    raw: `${method} ${uri} SIP/2.0\r\n${lines.join('\r\n')}\r\n\r\n${body}`,
    method,
    uri,
    body,
    headers: stored,
    get: (name) => Object.entries(stored).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1],
    source,
    source_address: sourceAddress,
    stackTxnId: 'transaction',
    on: (_event, listener) => void cancels.push(listener)
  }
  const response: SipResponse = {
    get finalResponseSent() {
      return sent.some((each) => each.status >= 200)
    },
    send: (status, options, done) => {
      sent.push({ status, headers: options.headers ?? {}, body: options.body ?? '' })
      done?.(null)
    }
  }
  const cancel = () => {
    for (const listener of cancels) listener(request)
  }
  return { request, response, received: received(sent, cancel), sent }
}

export function fakeServer(): FakeServer {
  const handlers = new Map<string, RequestHandler>()
  const events = new Map<string, (...args: never[]) => void>()
  const dialogs: FakeDialog[] = []
  const server: FakeServer = {
    dialogs,
    transactionGone: false,
    silent: false,
    mode: 'accepts',
    disconnects: 0,
    lose: () => (events.get('close') as (() => void) | undefined)?.(),
    receive: (
      method,
      { uri = 'sip:council-safety@127.0.0.1', headers = {}, body = 'v=0\r\ns=offer\r\n', from = '127.0.0.1' } = {}
    ) => {
      const merged = Object.fromEntries(
        Object.entries({ ...defaultHeaders(method), ...headers }).filter((entry): entry is [string, string] => entry[1] !== null)
      )
      const made = exchange(method, uri, merged, body, 'network', from)
      handlers.get(method.toLowerCase())?.(made.request, made.response)
      return made.received
    },
    use: (method, handler) => void handlers.set(method, handler),
    connect: () => {
      const connected = events.get('connect') as ((error: Error | null) => void) | undefined
      if (server.mode === 'accepts') connected?.(null)
      if (server.mode === 'refused') connected?.(new Error('failed to authenticate to server'))
      if (server.mode === 'unreachable') {
        const failed = events.get('error') as ((error: Error) => void) | undefined
        failed?.(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
      }
    },
    on: (event: string, listener: (...args: never[]) => void) => void events.set(event, listener),
    createUAS: (_request, response, options, created) => {
      if (server.transactionGone) return created('Response not sent due to unknown transaction')
      response.send(200, { headers: options.headers, body: options.localSdp })
      const { dialog, fake } = fakeDialog(server)
      dialogs.push(fake)
      created(null, dialog)
    },
    disconnect: () => {
      server.disconnects++
    }
  }
  return server
}

function fakeDialog(server: FakeServer): { dialog: SipDialog; fake: FakeDialog } {
  const listeners = new Map<string, (...args: never[]) => void>()
  const emit = (event: string, ...args: unknown[]) =>
    (listeners.get(event) as ((...args: unknown[]) => void) | undefined)?.(...args)
  const byes: SendOptions[] = []
  const uri = 'sip:placeholder'
  return {
    dialog: {
      id: 'dialog',
      sip: { callId: 'call', localTag: 'local', remoteTag: 'from1' },
      on: (event: string, listener: (...args: never[]) => void) => void listeners.set(event, listener),
      destroy: (options, done) => {
        byes.push(options)
        if (!server.silent) done(null)
      }
    },
    fake: {
      byes,
      ack: (body = '') => emit('ack', exchange('ACK', uri, {}, body, 'network', '127.0.0.1').request),
      bye: ({ reason = 'normal release', byServer = false } = {}) =>
        emit('destroy', exchange('BYE', uri, {}, '', byServer ? 'application' : 'network', '127.0.0.1').request, reason),
      request: (method, { headers = {}, body = '' } = {}) => {
        const made = exchange(method.toUpperCase(), uri, headers, body, 'network', '127.0.0.1')
        emit(method, made.request, made.response)
        return made.received
      }
    }
  }
}
