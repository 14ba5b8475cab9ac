/** Asks an HTTP service what to do with a request, and reads what it says. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '#kernel'
import { parseAddress } from '../codec/address.ts'
import { header } from '../codec/message.ts'
import { parseHostPort, parseSipUri } from '../codec/uri.ts'
import type { ApplicationAddress } from '../drachtio/application-link.ts'
import { type ReceivedRequest, shownBytes } from '../transaction/received.ts'

export type Instruction =
  | { readonly action: 'reject'; readonly status: number; readonly reason: string | null }
  | { readonly action: 'redirect'; readonly contacts: readonly string[] }
  | {
      readonly action: 'proxy'
      readonly destinations: readonly string[]
      readonly recordRoute: boolean
      readonly followRedirects: boolean
      readonly simultaneous: boolean
      readonly provisionalTimeoutMs: number
      readonly finalTimeoutMs: number
    }
  | { readonly action: 'connect'; readonly address: ApplicationAddress }
  | { readonly action: 'tag'; readonly tag: string }

export interface HttpQuestion {
  readonly method: 'GET' | 'POST'
  readonly url: string
  /** Body of a POST. */
  readonly body: Buffer
  /** Value of User-Agent. */
  readonly userAgent: string
  /** Whether the certificate of an `https` service must be valid. */
  readonly verify: boolean
}

/** What the service said; `unreachable` where it could not be asked or did not answer in time. */
export type HttpAnswer = { readonly status: number; readonly body: string } | 'unreachable'

/** Answers once. @returns gives up: no answer follows. */
export type AskHttp = (question: HttpQuestion, clock: Clock, answered: (answer: HttpAnswer) => void) => () => void

const connectMs = 2000
const totalMs = 3000
const maxAnswer = 65_536
const maxDestinations = 20

/**
 * The question about a request: its addresses as the query of a GET. A POST has the request itself as its body.
 *
 * @param base URL of the service; its own query stays.
 */
export function httpQuestion(
  service: { readonly url: string; readonly httpMethod: 'GET' | 'POST'; readonly verify: boolean },
  received: ReceivedRequest,
  userAgent: string
): HttpQuestion {
  const { message, flow, from } = received
  const uri = parseSipUri(message.uri)
  const to = parseAddress(header(message, 'to') ?? '')
  const url = new URL(service.url)
  const query = url.searchParams
  const set = (name: string, value: string | null | undefined): void => {
    if (value !== null && value !== undefined && !query.has(name)) query.append(name, value)
  }
  set('method', message.method)
  set('domain', uri?.host)
  set('protocol', flow.listener.transport)
  set('source_address', flow.remote.address)
  set('fromUser', parseSipUri(from.uri)?.user)
  set('toUser', to === undefined ? null : parseSipUri(to.uri)?.user)
  set('uriUser', uri?.user)
  set('contentType', header(message, 'content-type'))
  set('uri', message.uri)
  // Never in place of the fields above: the caller chooses these names.
  for (const [name, value] of uri?.params ?? []) set(name, value ?? '')
  return {
    method: service.httpMethod,
    url: url.href,
    body: service.httpMethod === 'POST' ? shownBytes(received) : Buffer.alloc(0),
    userAgent,
    verify: service.verify
  }
}

/** Connection within 2 s, whole answer within 3 s, at most 64 KiB of it; no redirect is followed. */
export const askHttp: AskHttp = (question, clock, answered) => {
  let over = false
  const finish = (answer: HttpAnswer | null): void => {
    if (over) return
    over = true
    cancelConnect()
    cancelTotal()
    asking.destroy()
    if (answer !== null) answered(answer)
  }
  const url = new URL(question.url)
  const options = {
    method: question.method,
    agent: false,
    headers: {
      accept: 'application/json',
      'user-agent': question.userAgent,
      ...(question.method === 'POST' ? { 'content-type': 'text/plain', 'content-length': question.body.length } : {})
    }
  }
  const asking =
    url.protocol === 'https:' ? httpsRequest(url, { ...options, rejectUnauthorized: question.verify }) : httpRequest(url, options)
  const cancelConnect = clock.after(connectMs, () => finish('unreachable'))
  const cancelTotal = clock.after(totalMs, () => finish('unreachable'))
  asking.on('socket', (socket) => {
    socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', cancelConnect)
  })
  asking.on('error', () => finish('unreachable'))
  asking.on('response', (response) => {
    const chunks: Buffer[] = []
    let octets = 0
    response.on('data', (chunk: Buffer) => {
      octets += chunk.length
      // More than any instruction needs: read as an answer that says nothing.
      if (octets > maxAnswer) finish({ status: response.statusCode ?? 0, body: '' })
      else chunks.push(chunk)
    })
    response.on('end', () => finish({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }))
    response.on('error', () => finish('unreachable'))
  })
  asking.end(question.body)
  return () => finish(null)
}

/**
 * Reads an instruction: `{"action": …, "data": {…}}`.
 *
 * @returns undefined for anything else, and for an instruction that cannot be carried out.
 */
export function parseInstruction(text: string): Instruction | undefined {
  const answer = object(json(text))
  const data = object(answer?.data)
  if (data === undefined) return undefined
  switch (answer?.action) {
    case 'reject': {
      const { status, reason } = data
      if (typeof status !== 'number' || !Number.isInteger(status) || status < 300 || status > 699) return undefined
      if (reason !== undefined && !isPhrase(reason)) return undefined
      return { action: 'reject', status, reason: reason ?? null }
    }
    case 'redirect': {
      const contacts = uris(data.contact)
      return contacts === undefined ? undefined : { action: 'redirect', contacts }
    }
    case 'proxy': {
      const destinations = uris(data.destination)
      const provisionalTimeoutMs = duration(data.provisionalTimeout, 5000)
      const finalTimeoutMs = duration(data.finalTimeout, 60_000)
      const recordRoute = flag(data.recordRoute, false)
      const followRedirects = flag(data.followRedirects, true)
      const simultaneous = flag(data.simultaneous, false)
      if (destinations === undefined || provisionalTimeoutMs === undefined || finalTimeoutMs === undefined) return undefined
      if (recordRoute === undefined || followRedirects === undefined || simultaneous === undefined) return undefined
      return {
        action: 'proxy',
        destinations,
        recordRoute,
        followRedirects,
        simultaneous,
        provisionalTimeoutMs,
        finalTimeoutMs
      }
    }
    case 'route': {
      if (typeof data.uri === 'string') {
        const address = parseApplicationAddress(data.uri)
        return address === undefined ? undefined : { action: 'connect', address }
      }
      return typeof data.tag === 'string' && data.tag !== '' ? { action: 'tag', tag: data.tag } : undefined
    }
    default:
      return undefined
  }
}

/** `host:port`, with `;transport=tcp` or `;transport=tls` behind it or `tcp://` or `tls://` before it. */
export function parseApplicationAddress(text: string): ApplicationAddress | undefined {
  const match = /^(?:(tcp|tls):\/\/)?([^/;]+)\/?(?:;transport=(tcp|tls))?$/i.exec(text)
  const at = match === null ? undefined : parseHostPort(match[2]!)
  if (match === null || at === undefined || at.port === null || at.port === 0) return undefined
  return { host: at.host, port: at.port, tls: (match[1] ?? match[3])?.toLowerCase() === 'tls' }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}

/** One URI or several, each `sip`, `sips` or `host[:port]`. */
function uris(value: unknown): string[] | undefined {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0 || list.length > maxDestinations) return undefined
  const read = list.map((each) => {
    if (typeof each !== 'string') return undefined
    const bare = parseAddress(each)?.uri ?? each
    return [bare, `sip:${bare}`].find((uri) => parseSipUri(uri) !== undefined)
  })
  return read.every((uri) => uri !== undefined) ? read : undefined
}

function isPhrase(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]{0,200}$/.test(value)
}

function flag(value: unknown, fallback: boolean): boolean | undefined {
  if (value === undefined) return fallback
  return typeof value === 'boolean' ? value : undefined
}

/** `5s`, `1500ms`, in milliseconds. */
function duration(value: unknown, fallback: number): number | undefined {
  if (value === undefined) return fallback
  const match = typeof value === 'string' ? /^([1-9]\d{0,7})(ms|s)$/.exec(value) : null
  if (match === null) return undefined
  const ms = Number(match[1]) * (match[2] === 's' ? 1000 : 1)
  return ms < 0x7fff_ffff ? ms : undefined
}
