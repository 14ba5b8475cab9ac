/** A real edge between a phone and an application that speak just enough SIP to be told apart from each other. */
import { createHash } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { ExecutionContext } from 'ava'
import { type Authority, createAuthority, type Edge, type EdgeConfig, issueCertificate, startEdge } from '#kamailio'
import { silentLog, systemClock } from '#kernel'
import { freePort as portBelowEphemeral } from '#sipp'

export const realm = 'infrafabric'
export const hash = (algorithm: 'md5' | 'sha256', text: string) => createHash(algorithm).update(text).digest('hex')
export const credential = (user: string, password = 'secret') => ({
  user,
  ha1Md5: hash('md5', `${user}:${realm}:${password}`),
  ha1Sha256: hash('sha256', `${user}:${realm}:${password}`)
})

/**
 * A port that was free a moment ago, for TCP and UDP alike: none that a socket gets which asks for any, since an edge among many takes its time until it has
 * bound it.
 */
export const freePort = (): Promise<number> => portBelowEphemeral('127.0.0.1')

export interface Message {
  readonly startLine: string
  readonly text: string
  readonly body: string
  readonly all: (name: string) => string[]
  readonly get: (name: string) => string | undefined
}

export function parse(text: string): Message {
  const [head, ...rest] = text.split('\r\n\r\n')
  const [startLine, ...lines] = head!.split('\r\n')
  const all = (name: string) =>
    lines
      .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
      .map((line) => line.slice(name.length + 1).trim())
  return { startLine: startLine!, text, body: rest.join('\r\n\r\n'), all, get: (name) => all(name)[0] }
}

/** Waits for the next message that `wanted` takes. */
class Inbox {
  readonly messages: Message[] = []
  #waiting: { wanted: (message: Message) => boolean; take: (message: Message) => void }[] = []

  put(message: Message): void {
    const at = this.#waiting.findIndex(({ wanted }) => wanted(message))
    if (at < 0) this.messages.push(message)
    else this.#waiting.splice(at, 1)[0]!.take(message)
  }

  next(wanted: (message: Message) => boolean, timeoutMs = 5000): Promise<Message> {
    const at = this.messages.findIndex(wanted)
    if (at >= 0) return Promise.resolve(this.messages.splice(at, 1)[0]!)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(new Error(`nothing like it within ${timeoutMs} ms; there: ${this.messages.map(({ startLine }) => startLine)}`)),
        timeoutMs
      )
      this.#waiting.push({
        wanted,
        take: (message) => {
          clearTimeout(timer)
          resolve(message)
        }
      })
    })
  }
}

/** The application's side: a UDP socket that keeps what it gets, answers health checks and, if asked to, calls. */
export class Application {
  readonly inbox = new Inbox()
  readonly port: number
  readonly #socket: Socket
  answer: (request: Message) => string | null = () => null

  private constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (data, from) => {
      const message = parse(data.toString())
      // a port that was another program's a moment ago gets what is still sent to that
      if (message.get('Via') === undefined) return
      if (message.startLine.startsWith('OPTIONS')) return this.send(reply(message, 200, 'OK'), from.port)
      if (message.startLine.startsWith('PUBLISH')) this.send(reply(message, 200, 'OK'), from.port)
      else {
        const answer = this.answer(message)
        if (answer !== null) this.send(answer, from.port)
      }
      this.inbox.put(message)
    })
  }

  static async open(t: ExecutionContext, port = 0): Promise<Application> {
    const socket = createSocket('udp4').bind(port, '127.0.0.1')
    await once(socket, 'listening')
    t.teardown(() => socket.close())
    return new Application(socket)
  }

  send(text: string, port: number): void {
    this.#socket.send(text, port, '127.0.0.1')
  }

  /** The next report of a refusal. */
  async report(): Promise<Record<string, unknown>> {
    const message = await this.inbox.next(({ startLine }) => startLine.startsWith('PUBLISH'))
    return JSON.parse(message.body)
  }
}

/** An answer with the request's own Via, From, To (with a tag), Call-ID and CSeq. */
export function reply(request: Message, status: number, reason: string, more: readonly string[] = [], body = ''): string {
  const to = request.get('To')!
  return [
    `SIP/2.0 ${status} ${reason}`,
    ...request.all('Via').map((via) => `Via: ${via}`),
    ...request.all('Record-Route').map((route) => `Record-Route: ${route}`),
    `From: ${request.get('From')}`,
    `To: ${to.includes('tag=') ? to : `${to};tag=app`}`,
    `Call-ID: ${request.get('Call-ID')}`,
    `CSeq: ${request.get('CSeq')}`,
    ...more,
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body
  ].join('\r\n')
}

/** An application that answers 200 to INVITE, and to whatever comes in the dialog. */
export const answering = (app: Application) => (request: Message) =>
  request.startLine.startsWith('ACK') ? null : reply(request, 200, 'OK', [`Contact: <sip:127.0.0.1:${app.port}>`])

/** What came through the edge. Its own reports are repeated where the application is slow to answer. */
export const reached = ({ inbox }: Application) => inbox.messages.filter(({ startLine }) => !startLine.startsWith('PUBLISH'))

export interface CallOptions {
  readonly method?: string
  readonly user?: string
  readonly to?: string
  readonly callId?: string
  readonly cseq?: number
  readonly toTag?: string
  readonly requestUri?: string
  readonly headers?: readonly string[]
  readonly body?: string
}

let calls = 0

/** A phone over TLS, or over another stream of octets. */
export class Phone<S extends Duplex = TLSSocket> {
  readonly inbox = new Inbox()
  readonly socket: S
  /** Protocol and sent-by of its Via. */
  readonly #via: string
  #received = ''

  constructor(socket: S, via: string) {
    this.socket = socket
    this.#via = via
    socket.on('error', () => undefined)
    socket.on('data', (data: Buffer | string) => {
      this.#received += data.toString('latin1')
      for (let end = this.#received.indexOf('\r\n\r\n'); end >= 0; end = this.#received.indexOf('\r\n\r\n')) {
        const length = Number(/^content-length:\s*(\d+)/im.exec(this.#received.slice(0, end))?.[1] ?? 0)
        if (this.#received.length < end + 4 + length) return
        this.inbox.put(parse(this.#received.slice(0, end + 4 + length)))
        this.#received = this.#received.slice(end + 4 + length)
      }
    })
  }

  static async open(
    t: ExecutionContext,
    port: number,
    options: ConnectionOptions & { localAddress?: string } = {}
  ): Promise<Phone> {
    const socket = connect({ host: '127.0.0.1', port, servername: 'edge.test', ...options })
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    return new Phone(socket, `TLS 127.0.0.1:${socket.localPort}`)
  }

  request({
    method = 'INVITE',
    user = 'expert-safety',
    to = 'council-safety',
    callId,
    cseq = 1,
    toTag,
    requestUri,
    headers = [],
    body = ''
  }: CallOptions = {}): string {
    calls++
    return [
      `${method} ${requestUri ?? `sip:${to}@edge.test`} SIP/2.0`,
      `Via: SIP/2.0/${this.#via};branch=z9hG4bK${calls}x${Math.random().toString(36).slice(2)};rport`,
      'Max-Forwards: 70',
      `From: <sip:${user}@edge.test>;tag=phone`,
      `To: <sip:${to}@edge.test>${toTag === undefined ? '' : `;tag=${toTag}`}`,
      `Call-ID: ${callId ?? `call-${calls}-${process.pid}`}`,
      `CSeq: ${cseq} ${method}`,
      ...(headers.some((line) => line.startsWith('Contact:')) ? [] : [`Contact: <sip:${user}@192.0.2.55:5099;transport=tls>`]),
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body
    ].join('\r\n')
  }

  send(text: string): void {
    this.socket.write(text)
  }

  final(callId?: string): Promise<Message> {
    return this.inbox.next(
      (message) => /^SIP\/2\.0 [2-6]/.test(message.startLine) && (callId === undefined || message.get('Call-ID') === callId)
    )
  }

  /** Sends a request and gives its final answer. */
  ask(options: CallOptions = {}): Promise<Message> {
    const text = this.request(options)
    this.send(text)
    return this.final(parse(text).get('Call-ID'))
  }

  /** Asks, is challenged, and asks again with credentials. */
  async call(options: CallOptions & { password?: string; algorithm?: 'MD5' | 'SHA-256' } = {}): Promise<Message> {
    const callId = options.callId ?? `call-${++calls}-${process.pid}-auth`
    const challenge = await this.ask({ ...options, callId })
    return this.ask({ ...options, callId, cseq: 2, headers: [...(options.headers ?? []), authorize(challenge, options)] })
  }
}

/** A Proxy-Authorization line that answers a 407. @see RFC 7616 §3.4 */
export function authorize(
  challenge: Message,
  {
    user = 'expert-safety',
    password = 'secret',
    to = 'council-safety',
    algorithm = 'SHA-256'
  }: { user?: string; password?: string; to?: string; algorithm?: 'MD5' | 'SHA-256' } = {}
): string {
  const offered = challenge.all('Proxy-Authenticate').find((line) => line.includes(`algorithm=${algorithm}`))!
  const nonce = /nonce="([^"]+)"/.exec(offered)![1]!
  const digest = algorithm === 'MD5' ? 'md5' : 'sha256'
  const uri = `sip:${to}@edge.test`
  const ha1 = hash(digest, `${user}:${realm}:${password}`)
  const response = hash(digest, `${ha1}:${nonce}:00000001:cn:auth:${hash(digest, `INVITE:${uri}`)}`)
  return `Proxy-Authorization: Digest username="${user}", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}, cnonce="cn", qop=auth, nc=00000001`
}

export interface Rig {
  readonly edge: Edge
  readonly config: EdgeConfig
  readonly authority: Authority
  readonly app: Application
  readonly phone: (options?: ConnectionOptions) => Promise<Phone>
}

/** One authority for all tests of a file. */
export async function authorityOf(dir = mkdtempSync(join(tmpdir(), 'edge-ca-'))) {
  const authority = await createAuthority(dir)
  const server = await issueCertificate(authority, {
    name: 'server',
    commonName: 'edge.test',
    usage: 'server',
    subjectAltNames: ['DNS:edge.test', 'IP:127.0.0.1']
  })
  return { authority, server }
}

export async function edgeConfig(
  t: ExecutionContext,
  certificates: Awaited<ReturnType<typeof authorityOf>>,
  applications: readonly number[]
): Promise<EdgeConfig> {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'edge run-'))
  t.teardown(() => rmSync(runtimeDir, { recursive: true, force: true }))
  return {
    profile: 'development',
    listen: { tls: { address: '127.0.0.1', port: await freePort() } },
    inside: { address: '127.0.0.1', port: await freePort() },
    applications: applications.map((port) => ({ address: '127.0.0.1', port })),
    tls: { ...certificates.server, ca: certificates.authority.certificate },
    allowlist: [{ network: '127.0.0.0/8', name: 'loopback' }],
    realm,
    credentials: [credential('expert-safety'), { ...credential('old-phone'), ha1Sha256: null }],
    limits: { pikeRequests: 1000 },
    runtimeDir,
    probeSeconds: 1,
    children: 1,
    sharedMemoryMb: 32
  }
}

export async function rig(
  t: ExecutionContext,
  certificates: Awaited<ReturnType<typeof authorityOf>>,
  more: (config: EdgeConfig) => Partial<EdgeConfig> = () => ({})
): Promise<Rig> {
  const app = await Application.open(t)
  const start = async (triesLeft: number): Promise<{ config: EdgeConfig; edge: Edge }> => {
    const base = await edgeConfig(t, certificates, [app.port])
    const config = { ...base, ...more(base) }
    try {
      return { config, edge: await startEdge(config, { log: silentLog, clock: systemClock }) }
    } catch (error) {
      if (triesLeft === 0 || !(error instanceof Error && error.message.includes('Address already in use'))) throw error
      return start(triesLeft - 1)
    }
  }
  const { config, edge } = await start(3)
  t.teardown(() => edge.stop())
  return {
    edge,
    config,
    authority: certificates.authority,
    app,
    phone: (options = {}) => Phone.open(t, config.listen.tls.port, { ca: undefined, rejectUnauthorized: false, ...options })
  }
}
