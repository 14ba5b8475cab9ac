/**
 * The ledger over HTTP: producers append, auditors query and check, anybody may take checkpoints and tiles.
 *
 * What a stranger can bring is bounded: body, headers, time, requests a second, connections, streams; nothing of the service grows with the log.
 */
import { existsSync, readFileSync } from 'node:fs'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { promisify } from 'node:util'
import { gzip as gzipCallback } from 'node:zlib'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Registry } from 'prom-client'
import type { z } from 'zod'
import { type Clock, errorCode, followTlsFiles, InfraFabricError, type Log, systemClock } from '#kernel'
import { defaultRates, type Rates } from '../audit/rates.ts'
import type { Ledger } from '../ledger.ts'
import { noPolicy, parsePolicy } from '../log/policy.ts'
import type { LedgerReader } from '../read/reader.ts'
import { createMetrics } from './metrics.ts'
import { openApiDocument } from './openapi.ts'
import { Problem, problemMediaType, problemOf } from './problem.ts'
import { publishedHead } from './published-head.ts'
import { createRateLimit, neighbourOf, type Rate } from './rate-limit.ts'
import type { Answer, Asked, EventStream, Route } from './route.ts'
import { ledgerRoutes } from './routes.ts'
import { type Caller, openTokenBook } from './tokens.ts'
import { trustRoutes } from './trust-routes.ts'

export interface LedgerServiceConfig {
  readonly reader: LedgerReader
  /** Appends for producers; null for a service that only reads. */
  readonly append: Ledger['append'] | null
  /** Where cosignatures go that witnesses bring; left out for a service that only reads. */
  readonly witnesses?: Pick<Ledger, 'bring' | 'witnessing' | 'figures'>
  /** Entries told by this process and not yet in the ledger. */
  readonly spooled?: () => number
  /** File of the published heads, and of the policy they have to meet. */
  readonly publishedPath: string
  readonly policyPath: string
  /** File of the log's first public key. */
  readonly vkeyPath: string
  /** File of tokens; looked at again when it changes. */
  readonly tokensPath: string
  /** Default 127.0.0.1. */
  readonly address?: string
  /** Default 0, a free one. */
  readonly port?: number
  /** PEM files, followed while it runs. Without them the service listens on loopback only. */
  readonly tls?: { readonly certificatePath: string; readonly keyPath: string }
  readonly log: Log
  readonly clock?: Clock
  /** For one network address. Default 200 requests a second, 400 at once. */
  readonly addressRate?: Rate
  /** For one token. Default 500 requests a second, 1000 at once. */
  readonly tokenRate?: Rate
  /** Default 15,000 ms. */
  readonly heartbeatMs?: number
  /** A stream whose client takes nothing for so long is ended. Default 10,000 ms. */
  readonly slowClientMs?: number
  /** Streams at a time. Default 64. */
  readonly mostFollowers?: number
  /** Streams of one token. Default 16. */
  readonly mostFollowersOfOne?: number
  /** Connections of one network address. Default 128. */
  readonly mostConnectionsOfOne?: number
  /** A connection over which nothing goes for so long, in either direction, is ended. Default 60,000 ms: longer than a stream goes without a heartbeat. */
  readonly idleMs?: number
  /** What models cost. Default: the rates of the suite. */
  readonly rates?: Rates
  /** What else the process that keeps the ledger serves: its own control. */
  readonly routes?: readonly Route[]
  /** What it measures, told with the figures of the service. */
  readonly registries?: readonly Registry[]
  /** Token of an admin that is in no file: for commands on this machine. */
  readonly ownToken?: string
  /** Puts the auditor's page at `/`. */
  readonly registerPage?: (app: FastifyInstance) => Promise<void>
}

export interface LedgerService {
  readonly url: string
  readonly port: number
  /** Ends streams and connections. Idempotent. */
  readonly close: () => Promise<void>
}

const apiVersion = '1.0.0'
const mostBodyOctets = 8 << 20
const requestTimeoutMs = 30_000
/** For a body of octets. */
const octetsTimeoutMs = 600_000
const octetStream = 'application/octet-stream'
const mostConnections = 512
/** Requests without a good token, and cosignatures that are none, cost more of an address's bucket. */
const costOfBadToken = 10
const leastGzipOctets = 1024
const gzipTypes = /^(?:application\/(?:json|octet-stream)|text\/plain)/
const gzip = promisify(gzipCallback)
const loopback = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

const headers: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

/**
 * Starts the service.
 *
 * @throws {InfraFabricError} `ledger.service.listen`, `ledger.service.plaintext` (beyond loopback, tokens need TLS), `ledger.service.tls`
 */
export async function startLedgerService(config: LedgerServiceConfig): Promise<LedgerService> {
  const { reader, log, clock = systemClock, address = '127.0.0.1', port = 0, slowClientMs = 10_000, mostFollowers = 64 } = config
  if (config.tls === undefined && !loopback.test(address)) {
    throw new InfraFabricError(
      'ledger.service.plaintext',
      `without a certificate the service listens on loopback only, not on ${address}`
    )
  }
  const policy = existsSync(config.policyPath) ? parsePolicy(readFileSync(config.policyPath)) : noPolicy
  const metrics = createMetrics({
    size: () => reader.size(),
    figures: config.witnesses?.figures ?? null,
    spooled: config.spooled ?? null,
    now: () => clock.now(),
    registries: config.registries ?? []
  })
  const monotonicMs = () => clock.monotonicMs()
  const tokens = openTokenBook(
    config.tokensPath,
    monotonicMs,
    (code) => log.error({ code }, 'the file of tokens cannot be used'),
    config.ownToken
  )
  const addressLimit = createRateLimit(config.addressRate ?? { perSecond: 200, burst: 400 }, monotonicMs)
  const tokenLimit = createRateLimit(config.tokenRate ?? { perSecond: 500, burst: 1000 }, monotonicMs)
  const callers = new WeakMap<FastifyRequest, Caller>()
  /** Streams and the tokens they were opened with. */
  const streams = new Map<AbortController, string>()
  const app = createApp(config.tls, config.idleMs ?? 60_000)
  app.server.maxConnections = mostConnections
  limitConnections(app.server, config.mostConnectionsOfOne ?? 128)
  app.removeContentTypeParser('text/plain')
  const rates = config.rates ?? defaultRates
  const ledger = ledgerRoutes({
    reader,
    append: config.append,
    witnesses: config.witnesses ?? null,
    published: publishedHead(config.publishedPath, policy),
    tokens,
    metrics,
    clock,
    heartbeatMs: config.heartbeatMs ?? 15_000,
    rates
  })
  const routes = [...ledger, ...trustRoutes({ ...config, rates }), ...(config.routes ?? [])]
  const document = Buffer.from(JSON.stringify(openApiDocument(routes, apiVersion)))

  const limit = (wait: number): void => {
    if (wait === 0) return
    metrics.limited.inc()
    throw new Problem('rate-limited', 'too many requests', { retryAfterS: Math.ceil(wait) })
  }

  const admit = (request: FastifyRequest, { access, alsoFor = [] }: Pick<Route, 'access' | 'alsoFor'>): Caller | null => {
    if (access === 'anybody') return null
    const given = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(request.headers.authorization ?? '')?.[1]
    const caller = given === undefined ? null : tokens.callerOf(given)
    if (caller === null) {
      metrics.unauthenticated.inc()
      limit(addressLimit.take(neighbourOf(request.ip), costOfBadToken))
      throw new Problem('unauthenticated', given === undefined ? 'a bearer token is needed' : 'the token is not known')
    }
    callers.set(request, caller)
    limit(tokenLimit.take(caller.id))
    if (caller.role !== 'admin' && caller.role !== access && !alsoFor.includes(caller.role)) {
      throw new Problem('forbidden', `this is for the role ${access}`)
    }
    return caller
  }

  const stream = async (request: FastifyRequest, reply: FastifyReply, { stream: run }: EventStream): Promise<void> => {
    if (streams.size >= mostFollowers) throw new Problem('busy', 'too many streams are open', { retryAfterS: 10 })
    const caller = callers.get(request)
    const own = [...streams.values()].filter((id) => id === caller?.id).length
    if (own >= (config.mostFollowersOfOne ?? 16))
      throw new Problem('busy', 'this token has too many streams open', { retryAfterS: 10 })
    const ended = new AbortController()
    streams.set(ended, caller?.id ?? '')
    metrics.followers.set(streams.size)
    reply.hijack()
    const { raw } = reply
    const onClose = () => ended.abort()
    raw.on('close', onClose)
    raw.on('error', onClose)
    raw.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no'
    })
    const drop = () => {
      metrics.dropped.inc()
      log.warn({ caller: caller?.name, id: caller?.id }, 'a stream is read too slowly and was ended')
      raw.destroy()
    }
    try {
      await run((text) => write(raw, text, clock, slowClientMs, drop), ended.signal)
      raw.end()
    } catch (error) {
      if (!ended.signal.aborted) log.info({ code: errorCode(error), caller: caller?.name }, 'a stream was ended')
      raw.destroy()
    } finally {
      streams.delete(ended)
      metrics.followers.set(streams.size)
    }
  }

  const fail = async (request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<void> => {
    const problem = problemOf(error)
    // what is switched off was said to who asked, and is nothing for whoever keeps the service running
    if (problem.status >= 500 && problem !== error)
      log.warn({ code: errorCode(error), operation: operationOf(request) }, 'a request failed')
    if (problem.kind === 'internal') log.error({ error: String(error) }, 'a request failed for a reason unknown')
    if (problem.kind === 'not-a-cosignature') addressLimit.take(neighbourOf(request.ip), costOfBadToken)
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="ledger"')
    if (problem.retryAfterS !== undefined) reply.header('retry-after', problem.retryAfterS)
    await reply
      .code(problem.status)
      .header('content-type', problemMediaType)
      .header('cache-control', 'no-store')
      .send(Buffer.from(JSON.stringify(problem.document())))
  }

  /** Bodies that are not octets come within the time of a request. */
  const bodies = new WeakMap<FastifyRequest, () => void>()
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    limit(addressLimit.take(neighbourOf(request.ip)))
    // RFC 9112 §3.2
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      throw new Problem('invalid-request', 'the request has no Host')
    if (request.headers['content-type'] !== octetStream)
      bodies.set(
        request,
        clock.after(requestTimeoutMs, () => request.raw.destroy())
      )
  })
  app.addHook('preHandler', async (request) => bodies.get(request)?.())
  app.addHook('onResponse', async (request, reply) => {
    bodies.get(request)?.()
    const operation = operationOf(request)
    metrics.requests.inc({ operation, status: String(reply.statusCode) })
    metrics.seconds.observe({ operation }, reply.elapsedTime / 1000)
    log.info(
      {
        operation,
        method: request.method,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        from: request.ip,
        caller: callers.get(request)?.name
      },
      'answered'
    )
  })
  app.setErrorHandler((error, request, reply) => fail(request, reply, error))
  app.setNotFoundHandler((request, reply) => fail(request, reply, new Problem('not-found', 'there is nothing here')))

  const add = (scope: FastifyInstance, each: Route) =>
    scope.route({
      method: each.method,
      url: each.path.replace(/\{(\w+)\}/g, ':$1'),
      config: { operation: each.operation },
      exposeHeadRoute: each.method === 'GET' && !('text/event-stream' in each.answers),
      onRequest: async (request) => void admit(request, each),
      handler: (request, reply) => serve(each, request, reply, '')
    })
  const whole = routes.filter(({ path, takesOctets }) => !path.startsWith('/tile/') && takesOctets === undefined)
  for (const each of whole) add(app, each)
  // in a scope of their own: elsewhere octets are no body
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser(octetStream, (_request, payload, done) => done(null, payload))
    for (const each of routes) if (each.takesOctets !== undefined) add(scope, each)
  })
  const bundles = routes.find(({ operation }) => operation === 'getEntryBundle')!
  const tiles = routes.find(({ operation }) => operation === 'getTile')!
  app.get('/tile/*', { config: { operation: 'getTile' }, exposeHeadRoute: true }, async (request, reply) => {
    const path = (request.params as { '*': string })['*']
    const wanted = path.startsWith('entries/') ? bundles : tiles
    admit(request, wanted)
    return serve(wanted, request, reply, path)
  })
  app.get('/openapi.json', { config: { operation: 'getOpenApi' }, exposeHeadRoute: true }, async (_, reply) =>
    reply.header('content-type', 'application/json').header('cache-control', 'no-cache').send(document)
  )
  await config.registerPage?.(app)

  async function serve(each: Route, request: FastifyRequest, reply: FastifyReply, path: string): Promise<FastifyReply> {
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const asked: Asked<unknown, unknown, unknown> = {
      query: each.query === null ? null : parse(each.query, request.query, 'query'),
      params: each.params === null ? null : parse(each.params, request.params, 'path'),
      body: each.body === null ? null : parse(each.body, request.body, ''),
      octets: each.takesOctets === undefined ? noOctets() : (request.body as AsyncIterable<Uint8Array>),
      octetCount: octetCountOf(request),
      path,
      caller: callers.get(request) ?? null,
      header: (name) => {
        const value = request.headers[name]
        return Array.isArray(value) ? value[0] : value
      },
      signal: gone.signal
    }
    const answer = await each.handle(asked as Asked<never, never, never>)
    if ('stream' in answer) {
      await stream(request, reply, answer)
      return reply
    }
    return send(request, reply, answer)
  }

  try {
    await app.listen({ host: address, port })
  } catch (error) {
    await app.close()
    throw new InfraFabricError('ledger.service.listen', `cannot listen on ${address}:${port} (${errorCode(error)})`, {
      cause: error
    })
  }
  const { tls } = config
  const stopFollowing =
    tls === undefined
      ? () => undefined
      : followTlsFiles({ certificate: tls.certificatePath, key: tls.keyPath }, { clock, log }, (pair) =>
          (app.server as unknown as SecureServer).setSecureContext({ ...pair, minVersion: 'TLSv1.2' })
        )
  const bound = (app.server.address() as AddressInfo).port
  const host = address.includes(':') ? `[${address}]` : address
  let closing: Promise<void> | null = null
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${bound}`,
    port: bound,
    close: () => {
      closing ??= (async () => {
        stopFollowing()
        for (const ended of streams.keys()) ended.abort()
        await app.close()
      })()
      return closing
    }
  }
}

/** Answers a request that was not read to its end, on a connection that has no reply of fastify's. */
function refuseUnread(error: Error, socket: Socket): void {
  if (!socket.writable) return
  const problem = problemOf(error)
  const body = JSON.stringify(problem.document())
  const fields = {
    ...headers,
    connection: 'close',
    'content-type': problemMediaType,
    'content-length': String(Buffer.byteLength(body))
  }
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head.join('')}\r\n${body}`)
}

/** No address gets all the connections there are. */
function limitConnections(server: Server, most: number): void {
  const open = new Map<string, number>()
  server.on('connection', (socket: Socket) => {
    const neighbour = neighbourOf(socket.remoteAddress ?? '')
    const count = (open.get(neighbour) ?? 0) + 1
    if (count > most) {
      socket.destroy()
      return
    }
    open.set(neighbour, count)
    socket.once('close', () => {
      const left = open.get(neighbour)! - 1
      if (left > 0) open.set(neighbour, left)
      else open.delete(neighbour)
    })
  })
}

function createApp(tls: LedgerServiceConfig['tls'], idleMs: number): FastifyInstance {
  const options = {
    bodyLimit: mostBodyOctets,
    requestTimeout: octetsTimeoutMs,
    connectionTimeout: idleMs,
    keepAliveTimeout: 60_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false,
    logger: false,
    // a request without Host is refused by a hook, in the form of all other refusals
    http: { maxHeaderSize: 16_384, headersTimeout: 10_000, requireHostHeader: false },
    clientErrorHandler: refuseUnread,
    frameworkErrors: (error: Error, _: FastifyRequest, reply: FastifyReply) => {
      const problem = problemOf(error)
      void reply
        .code(problem.status)
        .headers(headers)
        .header('content-type', problemMediaType)
        .send(Buffer.from(JSON.stringify(problem.document())))
    }
  }
  if (tls === undefined) return fastify(options)
  try {
    const https = {
      cert: readFileSync(tls.certificatePath),
      key: readFileSync(tls.keyPath),
      minVersion: 'TLSv1.2',
      ...options.http
    } as const
    return fastify({ ...options, http: undefined, https } as never) as unknown as FastifyInstance
  } catch (error) {
    throw new InfraFabricError('ledger.service.tls', `the certificate cannot be used (${errorCode(error)})`, { cause: error })
  }
}

async function* noOctets(): AsyncGenerator<Uint8Array> {}

function octetCountOf({ headers }: FastifyRequest): number | null {
  const length = headers['content-length']
  return length === undefined ? null : Number(length)
}

const operationOf = (request: FastifyRequest): string =>
  (request.routeOptions.config as { operation?: string } | undefined)?.operation ?? 'other'

/** An entry nests at most 64 deep, and stands in a list in a member. */
const deepest = 68

/**
 * Checked before the schema, which goes down into what it checks.
 *
 * @throws {Problem} `invalid-request`
 */
function expectShallow(body: unknown): void {
  let level: unknown[] = [body]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) throw new Problem('invalid-request', 'the body is nested too deep')
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

/** @throws {Problem} `invalid-request`, naming every part of the request that is not as it should be */
function parse(schema: z.ZodType, value: unknown, where: string): unknown {
  if (where === '') expectShallow(value)
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues
    .slice(0, 20)
    .map(({ path, message }) => ({ at: [where, ...path.map(String)].filter((part) => part !== '').join('.'), message }))
  throw new Problem('invalid-request', 'the request is not as the interface says', { errors })
}

async function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, mediaType, body, headers: more }: Answer
): Promise<FastifyReply> {
  reply
    .code(status ?? 200)
    .header('content-type', mediaType)
    .headers(more ?? {})
  // as octets, so that the media type stays as it is told
  const octets = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  // hashes do not get smaller; only entries are octets that do
  const pays = octets.length >= leastGzipOctets && gzipTypes.test(mediaType) && !/^\/tile\/\d/.test(request.url)
  if (!pays) return reply.send(octets)
  reply.header('vary', 'accept-encoding')
  if (!/(?:^|[\s,])gzip\b(?!\s*;\s*q=0(?:\.0*)?(?:\s|,|$))/i.test(String(request.headers['accept-encoding'] ?? ''))) {
    return reply.send(octets)
  }
  return reply.header('content-encoding', 'gzip').send(await gzip(octets, { level: 3 }))
}

/** Writes to a stream; resolves when it has room again. A client that takes nothing for `withinMs` is dropped. */
function write(
  raw: ServerResponse<IncomingMessage>,
  text: string,
  clock: Clock,
  withinMs: number,
  drop: () => void
): Promise<void> {
  if (raw.destroyed) return Promise.reject(new InfraFabricError('ledger.service.gone', 'the client has gone'))
  if (raw.write(text)) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const settle = () => {
      cancel()
      raw.off('drain', onDrain).off('close', onClose)
    }
    const onDrain = () => {
      settle()
      resolve()
    }
    const onClose = () => {
      settle()
      reject(new InfraFabricError('ledger.service.gone', 'the client has gone'))
    }
    const cancel = clock.after(withinMs, () => {
      settle()
      drop()
      reject(new InfraFabricError('ledger.service.slow-client', `the client took nothing for ${withinMs} ms`))
    })
    raw.on('drain', onDrain).on('close', onClose)
  })
}
