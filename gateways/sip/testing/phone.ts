import { createHash, randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** A SIP message as it came: start line, headers by lower-case name in order, body. */
export interface Message {
  readonly start: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}

export const header = (message: Message, name: string): string | undefined =>
  message.headers.find(([each]) => each === name.toLowerCase())?.[1]
const headersOf = (message: Message, name: string): readonly string[] =>
  message.headers.filter(([each]) => each === name.toLowerCase()).map(([, value]) => value)
export const statusOf = (message: Message): number => Number(/^SIP\/2\.0 (\d{3})/.exec(message.start)?.[1] ?? 0)

export interface PhoneOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  readonly port: number
  /** CA of the server's certificate; absent for plain TCP. */
  readonly ca?: string
  /** Client certificate and key, PEM. */
  readonly certificate?: string
  readonly key?: string
  /** SIP address of the user, `sip:expert-safety@external.advisor`. */
  readonly uri: string
  readonly digestUser?: string
  readonly password?: string
  readonly algorithm?: 'MD5' | 'SHA-256'
}

export interface InviteOptions {
  readonly to?: string
  /** SDP offer, or empty for a late offer. */
  readonly sdp?: string
  readonly headers?: (attempt: {
    callId: string
    cseq: number
    fromUri: string
    toUri: string
    body: string
  }) => Record<string, string>
  readonly callId?: string
  /** SDP answer to an offer in the 200. */
  readonly answer?: (offer: string) => string
  /** Do not send the ACK. */
  readonly withoutAck?: boolean
  /** Told when the INVITE with credentials is on its way. */
  readonly onSent?: (cancel: () => void) => void
}

export interface PhoneCall {
  readonly status: number
  readonly response: Message
  readonly callId: string
  /** Milliseconds from the INVITE with credentials to its final response. */
  readonly setupMs: number
  readonly provisional: readonly number[]
  /** Resolves with the BYE of the far end; rejects when none comes in time. */
  readonly ended: (timeoutMs?: number) => Promise<Message>
  readonly request: (method: string, options?: { headers?: Record<string, string>; body?: string }) => Promise<Message>
  readonly bye: () => Promise<Message>
  /** Goes on with the call over another connection: a phone whose connection was lost. */
  readonly moveTo: (phone: Phone) => void
}

/** A SIP phone over TLS or TCP, small enough to be read: it does what the test says and hides nothing. */
export interface Phone {
  readonly invite: (options?: InviteOptions) => Promise<PhoneCall>
  /** A request outside a dialog, without credentials. */
  readonly request: (method: string, headers?: Record<string, string>, body?: string) => Promise<Message>
  readonly sendRaw: (text: string) => void
  readonly closed: Promise<void>
  readonly close: () => void
  readonly link: Link
}

interface Link {
  readonly socket: Socket
  readonly transport: 'tls' | 'tcp'
  readonly sentBy: string
  readonly pending: Map<string, (message: Message) => void>
  readonly dialogs: Map<string, (request: Message) => void>
}

const token = (bytes = 8): string => randomBytes(bytes).toString('hex')
const hash = (algorithm: string, text: string): string =>
  createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
    .update(text)
    .digest('hex')

/** Answers a digest challenge with qop=auth. */
function digestAnswer(
  challenge: string,
  options: { user: string; password: string; method: string; uri: string; nc?: string }
): string {
  const field = (name: string) => new RegExp(`${name}="?([^",]*)"?`).exec(challenge)?.[1] ?? ''
  const algorithm = field('algorithm') || 'MD5'
  const cnonce = token()
  const nc = options.nc ?? '00000001'
  const ha1 = hash(algorithm, `${options.user}:${field('realm')}:${options.password}`)
  const ha2 = hash(algorithm, `${options.method}:${options.uri}`)
  const response = hash(algorithm, `${ha1}:${field('nonce')}:${nc}:${cnonce}:auth:${ha2}`)
  const opaque = field('opaque')
  return [
    `Digest username="${options.user}", realm="${field('realm')}", nonce="${field('nonce')}", uri="${options.uri}"`,
    `response="${response}", algorithm=${algorithm}, qop=auth, nc=${nc}, cnonce="${cnonce}"${opaque === '' ? '' : `, opaque="${opaque}"`}`
  ].join(', ')
}

function parse(text: string): Message {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [start = '', ...lines] = head.split(/\r\n(?![ \t])/)
  return {
    start,
    headers: lines.map(
      (line) => [line.slice(0, line.indexOf(':')).trim().toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const
    ),
    body: rest.join('\r\n\r\n')
  }
}

/** Opens the connection. Rejects when it fails; `closed` resolves when the other side closes it. */
export async function openPhone(options: PhoneOptions): Promise<Phone> {
  const transport = options.ca === undefined ? 'tcp' : 'tls'
  const where = { host: options.host ?? '127.0.0.1', port: options.port }
  const socket: Socket =
    options.ca === undefined
      ? connectTcp(where)
      : connectTls({
          ...where,
          ca: options.ca,
          ...(options.certificate === undefined ? {} : { cert: options.certificate }),
          ...(options.key === undefined ? {} : { key: options.key }),
          checkServerIdentity: () => undefined
        })
  await new Promise<void>((resolve, reject) => {
    socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => resolve())
    socket.once('error', reject)
    socket.setTimeout(10_000, () => reject(new Error('connection timed out')))
  })
  socket.setTimeout(0)
  socket.setNoDelay(true)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  const own = socket.localAddress ?? '127.0.0.1'
  const sentBy = `${own.includes(':') ? `[${own}]` : own}:${socket.localPort}`
  const link: Link = { socket, transport, sentBy, pending: new Map(), dialogs: new Map() }
  let buffer = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    buffer += chunk
    for (;;) {
      buffer = buffer.replace(/^(?:\r\n)+/, '')
      const end = buffer.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/^content-length\s*:\s*(\d+)/im.exec(buffer.slice(0, end))?.[1] ?? 0)
      if (buffer.length < end + 4 + length) return
      const message = parse(buffer.slice(0, end + 4 + length))
      buffer = buffer.slice(end + 4 + length)
      receive(link, message)
    }
  })
  return {
    link,
    closed,
    close: () => socket.destroy(),
    sendRaw: (text) => void socket.write(text, 'latin1'),
    request: (method, headers = {}, body = '') =>
      transact(
        link,
        method,
        'sip:council@127.0.0.1',
        {
          From: `<${options.uri}>;tag=${token()}`,
          To: '<sip:council@127.0.0.1>',
          'Call-ID': `${token()}@phone`,
          CSeq: `1 ${method}`,
          ...headers
        },
        body
      ).final,
    invite: (invite = {}) => call(link, options, invite)
  }
}

function receive(link: Link, message: Message): void {
  if (message.start.startsWith('SIP/2.0')) {
    const branch = /branch=([^;,\s]+)/.exec(header(message, 'via') ?? '')?.[1]
    link.pending.get(`${branch} ${header(message, 'cseq')?.split(' ')[1]}`)?.(message)
    return
  }
  const dialog = link.dialogs.get(header(message, 'call-id') ?? '')
  if (message.start.startsWith('ACK ')) return
  const copied = ['via', 'from', 'to', 'call-id', 'cseq', 'record-route'].flatMap((name) =>
    headersOf(message, name).map((value) => `${name}: ${value}`)
  )
  link.socket.write(
    `SIP/2.0 ${dialog === undefined ? '481 Gone' : '200 OK'}\r\n${copied.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`
  )
  dialog?.(message)
}

function render(link: Link, method: string, uri: string, branch: string, headers: Record<string, string>, body: string): string {
  const lines = [
    `${method} ${uri} SIP/2.0`,
    `Via: SIP/2.0/${link.transport.toUpperCase()} ${link.sentBy};rport;branch=${branch}`,
    'Max-Forwards: 70',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function transact(link: Link, method: string, uri: string, headers: Record<string, string>, body: string, timeoutMs = 15_000) {
  const branch = `z9hG4bK${token()}`
  const provisional: number[] = []
  const key = `${branch} ${method}`
  const final = new Promise<Message>((resolve, reject) => {
    const timer = setTimeout(() => {
      link.pending.delete(key)
      reject(new Error(`no final response to ${method}`))
    }, timeoutMs)
    timer.unref()
    link.pending.set(key, (message) => {
      if (statusOf(message) < 200) return void provisional.push(statusOf(message))
      clearTimeout(timer)
      link.pending.delete(key)
      resolve(message)
    })
  })
  link.socket.write(render(link, method, uri, branch, headers, body))
  const cancel = () => {
    const { CSeq, From, To, 'Call-ID': callId } = headers
    const cancelHeaders = { From: From!, To: To!, 'Call-ID': callId!, CSeq: CSeq!.replace(method, 'CANCEL') }
    link.socket.write(render(link, 'CANCEL', uri, branch, cancelHeaders, ''))
  }
  return { branch, final, provisional, cancel }
}

async function call(link: Link, options: PhoneOptions, invite: InviteOptions): Promise<PhoneCall> {
  const { to = 'council-safety', sdp = '' } = invite
  const toUri = `sip:${to}@127.0.0.1:${options.port};transport=${link.transport}`
  const callId = invite.callId ?? `${token()}@phone`
  const fromTag = token()
  const user = options.uri.replace(/^sip:/, '').split('@')[0]!
  const contact = `<sip:${user}@${link.sentBy};transport=${link.transport}>`
  let cseq = 1
  let authorization: Record<string, string> = {}
  for (;;) {
    const own = invite.headers?.({ callId, cseq, fromUri: options.uri, toUri, body: sdp }) ?? {}
    const headers: Record<string, string> = {
      From: `<${options.uri}>;tag=${fromTag}`,
      To: `<${toUri}>`,
      'Call-ID': callId,
      CSeq: `${cseq} INVITE`,
      Contact: contact,
      Allow: 'INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS',
      ...(sdp === '' ? {} : { 'Content-Type': 'application/sdp' }),
      ...authorization,
      ...own
    }
    const startedMs = performance.now()
    const ended = Promise.withResolvers<Message>()
    link.dialogs.set(callId, (request) => {
      if (request.start.startsWith('BYE ')) ended.resolve(request)
    })
    const transaction = transact(link, 'INVITE', toUri, headers, sdp)
    if (cseq > 1 || options.password === undefined) invite.onSent?.(transaction.cancel)
    const response = await transaction.final
    const setupMs = performance.now() - startedMs
    const status = statusOf(response)
    if (status >= 300) {
      link.socket.write(
        render(link, 'ACK', toUri, transaction.branch, { ...headers, To: header(response, 'to')!, CSeq: `${cseq} ACK` }, '')
      )
    }
    if ((status === 401 || status === 407) && cseq === 1 && options.password !== undefined) {
      const challenges = headersOf(response, status === 401 ? 'www-authenticate' : 'proxy-authenticate')
      const chosen = challenges.find((each) => each.includes(options.algorithm ?? 'SHA-256')) ?? challenges[0]!
      const answer = digestAnswer(chosen, {
        user: options.digestUser ?? user,
        password: options.password,
        method: 'INVITE',
        uri: toUri
      })
      authorization = { [status === 401 ? 'Authorization' : 'Proxy-Authorization']: answer }
      cseq++
      continue
    }
    let at = link
    const target = /<([^>]+)>/.exec(header(response, 'contact') ?? '')?.[1] ?? toUri
    const routes = headersOf(response, 'record-route')
      .flatMap((value) => value.split(/,\s*(?=<)/))
      .reverse()
    const dialogHeaders = (method: string, number: number): Record<string, string> => ({
      ...(routes.length === 0 ? {} : { Route: routes.join(', ') }),
      From: headers.From!,
      To: header(response, 'to')!,
      'Call-ID': callId,
      CSeq: `${number} ${method}`,
      Contact: contact
    })
    const acknowledge = (number: number, body: string) =>
      at.socket.write(
        render(
          at,
          'ACK',
          target,
          `z9hG4bK${token()}`,
          { ...dialogHeaders('ACK', number), ...(body === '' ? {} : { 'Content-Type': 'application/sdp' }) },
          body
        )
      )
    if (status < 300 && invite.withoutAck !== true) acknowledge(cseq, invite.answer?.(response.body) ?? '')
    let number = cseq
    const request: PhoneCall['request'] = async (method, { headers: extra = {}, body = '' } = {}) => {
      number++
      const mine = number
      const type: Record<string, string> = body === '' ? {} : { 'Content-Type': 'application/sdp' }
      const answered = await transact(at, method, target, { ...dialogHeaders(method, mine), ...type, ...extra }, body).final
      if (method === 'INVITE' && statusOf(answered) < 300) acknowledge(mine, '')
      return answered
    }
    return {
      status,
      response,
      callId,
      setupMs,
      provisional: transaction.provisional,
      ended: (timeoutMs = 10_000) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`no BYE within ${timeoutMs} ms`)), timeoutMs)
          void ended.promise.then((bye) => {
            clearTimeout(timer)
            resolve(bye)
          })
        }),
      request,
      bye: () => request('BYE'),
      moveTo: (phone) => {
        const handler = at.dialogs.get(callId)
        at = phone.link
        if (handler !== undefined) at.dialogs.set(callId, handler)
      }
    }
  }
}
