import type {
  InDialogMethod,
  InviteOptions,
  ReceivedResponse,
  RequestHandler,
  SendOptions,
  SentRequest,
  SipDialog,
  SipMessage,
  SipRequest,
  SipResponse,
  SipServerConnection
} from '../server/drachtio.ts'

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
  /** Requests of ours inside the dialog, in order; the test answers each. */
  readonly requests: FakeRequest[]
  /** ACK of the caller, with an SDP answer where one is due. */
  readonly ack: (body?: string) => void
  readonly bye: (options?: { reason?: string; byServer?: boolean; headers?: Readonly<Record<string, string>> }) => void
  readonly request: (method: InDialogMethod, options?: { headers?: Record<string, string>; body?: string }) => ReceivedRequest
}

/** An INVITE of ours; the test plays the callee. */
export interface FakeInvite {
  readonly options: InviteOptions
  /** Headers of the CANCELs sent for it. */
  readonly cancels: SendOptions[]
  readonly progress: (status: number, options?: ResponseOptions) => void
  /** 200: `body` answers the offer, or is the offer of a call whose ACK has to answer it. */
  readonly accept: (body: string, options?: ResponseOptions) => FakeDialog
  readonly decline: (status: number, options?: ResponseOptions) => void
  /** The server could not send it. */
  readonly fail: (reason: string) => void
  /** Answer that the ACK carried; null while there is none. */
  readonly acknowledged: () => string | null
  /** The 200 got ACK and BYE at once. */
  readonly withdrawn: () => boolean
}

export interface ResponseOptions {
  /** Of To; empty for a peer that gives none. */
  readonly tag?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  /** Empty for a response that the server made up. */
  readonly source?: string
}

/** A request of ours inside a dialog. */
export interface FakeRequest {
  readonly options: SendOptions & { readonly method: string }
  /** @param source empty for a response that the server made up */
  readonly answer: (status: number, body?: string, source?: string) => void
  readonly fail: (reason: string) => void
}

/** A drachtio-srf that is connected to nothing: the test plays the server and the callers. */
export interface FakeServer extends SipServerConnection {
  readonly receive: (method: string, options?: RequestOptions) => ReceivedRequest
  readonly dialogs: FakeDialog[]
  readonly invites: FakeInvite[]
  /** Requests of ours outside dialogs. */
  readonly outside: Parameters<SipServerConnection['request']>[0][]
  /** INVITEs of ours go out only when the test says so. */
  holdInvites: Promise<void> | null
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
    send: (status: number, second: string | SendOptions, third?: SendOptions | ((error: unknown) => void)) => {
      const options = typeof second === 'string' ? (third as SendOptions) : second
      sent.push({ status, headers: options.headers ?? {}, body: options.body ?? '' })
      if (typeof third === 'function') third(null)
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
  const invites: FakeInvite[] = []
  const server: FakeServer = {
    dialogs,
    invites,
    outside: [],
    holdInvites: null,
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
    createUAC: (options, progress, done) => {
      const { invite, request } = fakeInvite(server, options, progress.cbProvisional, done)
      invites.push(invite)
      if (server.holdInvites === null) progress.cbRequest(null, request)
      else void server.holdInvites.then(() => progress.cbRequest(null, request))
    },
    request: (options, sent) => {
      server.outside.push(options)
      sent(null, { on: () => {} })
    },
    disconnect: () => {
      server.disconnects++
    }
  }
  return server
}

function fakeInvite(
  server: FakeServer,
  options: InviteOptions,
  provisional: (response: ReceivedResponse) => void,
  done: Parameters<SipServerConnection['createUAC']>[2]
): { invite: FakeInvite; request: SentRequest } {
  const cancels: SendOptions[] = []
  const responses: ((response: ReceivedResponse) => void)[] = []
  let acknowledged: string | null = null
  let withdrawn = false
  const response = (status: number, { tag = 'callee1', headers = {}, body = '', source = '127.0.0.1' }: ResponseOptions) => {
    const all: Record<string, string> = {
      To: `${options.headers.To}${tag === '' ? '' : `;tag=${tag}`}`,
      Contact: '<sip:peer@192.0.2.7:5060>',
      ...headers
    }
    return {
      status,
      reason: `Status ${status}`,
      source_address: source,
      body,
      headers: all,
      get: (name: string) => Object.entries(all).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
    }
  }
  const request: SentRequest = {
    on: (_event, listener) => void responses.push(listener),
    body: options.localSdp ?? '',
    headers: { ...options.headers, From: `${options.headers.From};tag=local` },
    get: (name) => request.headers[name],
    cancel: (how, sent) => {
      cancels.push(how)
      sent(null)
    }
  }
  return {
    request,
    invite: {
      options,
      cancels,
      progress: (status, how = {}) => provisional(response(status, how)),
      accept: (body, how = {}) => {
        const { dialog, fake } = fakeDialog(server, body, how.tag ?? 'callee1')
        server.dialogs.push(fake)
        if (options.noAck !== true) done(null, dialog)
        else
          done(null, {
            sdp: body,
            res: response(200, how),
            ack: async (answer) => {
              acknowledged = answer
              return dialog
            },
            destroy: async () => {
              withdrawn = true
            }
          })
        return fake
      },
      decline: (status, how = {}) => {
        const res = response(status, how)
        for (const told of responses) told(res)
        done(Object.assign(new Error(`status ${status}`), { status, res }))
      },
      fail: (reason) => done(new Error(reason)),
      acknowledged: () => acknowledged,
      withdrawn: () => withdrawn
    }
  }
}

function fakeDialog(server: FakeServer, sdp = '', remoteTag = 'from1'): { dialog: SipDialog; fake: FakeDialog } {
  const listeners = new Map<string, (...args: never[]) => void>()
  const emit = (event: string, ...args: unknown[]) =>
    (listeners.get(event) as ((...args: unknown[]) => void) | undefined)?.(...args)
  const byes: SendOptions[] = []
  const requests: FakeRequest[] = []
  const uri = 'sip:placeholder'
  return {
    dialog: {
      id: 'dialog',
      sip: { callId: 'call', localTag: 'local', remoteTag: remoteTag === '' ? undefined : remoteTag },
      res: { get: (name) => (name === 'Contact' ? '<sip:peer@192.0.2.7:5060>' : undefined) },
      remote: { sdp },
      on: (event: string, listener: (...args: never[]) => void) => void listeners.set(event, listener),
      request: (options, done) =>
        void requests.push({
          options,
          answer: (status, body, source = '127.0.0.1') =>
            done(null, {
              status,
              reason: `Status ${status}`,
              source_address: source,
              body,
              headers: {},
              get: () => undefined
            }),
          fail: (reason) => done(new Error(reason))
        }),
      destroy: (options, done) => {
        byes.push(options)
        if (!server.silent) done(null)
      }
    },
    fake: {
      byes,
      requests,
      ack: (body = '') => emit('ack', exchange('ACK', uri, {}, body, 'network', '127.0.0.1').request),
      bye: ({ reason = 'normal release', byServer = false, headers = {} } = {}) =>
        emit('destroy', exchange('BYE', uri, headers, '', byServer ? 'application' : 'network', '127.0.0.1').request, reason),
      request: (method, { headers = {}, body = '' } = {}) => {
        const made = exchange(method.toUpperCase(), uri, headers, body, 'network', '127.0.0.1')
        emit(method, made.request, made.response)
        return made.received
      }
    }
  }
}
