/** Puts the parts together: octets and application messages in, octets and application messages out. Knows no socket. */
import { type Clock, errorCode, type Log } from '#kernel'
import { essentials, isOverlong } from '../codec/essentials.ts'
import { header, headerLines, parseMessage, type SipMessage } from '../codec/message.ts'
import { reasonPhrases } from '../codec/reasons.ts'
import { firstVia, parseVia } from '../codec/via.ts'
import { newId } from '../common/ids.ts'
import { hostPort } from '../common/own-address.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { EngineTimers } from '../common/timers.ts'
import { createOrphans } from '../dialog/orphans.ts'
import { createSessions } from '../dialog/sessions.ts'
import { createSubscriptions } from '../dialog/subscriptions.ts'
import { type Application, createRoutes } from '../drachtio/application.ts'
import type { ApplicationHandler, ApplicationMessage } from '../drachtio/application-link.ts'
import { createCallRecords } from '../drachtio/cdr.ts'
import { nokReply, okReply } from '../drachtio/server-message.ts'
import { createTime } from '../drachtio/wire-time.ts'
import type { Hosts } from '../next-hop/hosts-file.ts'
import type { NameService } from '../next-hop/name-service.ts'
import { createPaths } from '../next-hop/paths.ts'
import { createResolver } from '../next-hop/resolver.ts'
import { createOverload } from '../overload/overload.ts'
import { createProxy } from '../proxy/proxy.ts'
import type { TransactionEnded } from '../transaction/transaction.ts'
import { createTransactions } from '../transaction/transactions.ts'
import { type Flow, type TransportEvents, type TransportPort, transportTraits } from '../transport/port.ts'
import { defaultOptions, type EngineLimits, type EngineOptions } from './config.ts'
import type { Core } from './core.ts'
import { createOutbound, type OutboundPorts } from './outbound.ts'
import { proxyCommand } from './proxy-command.ts'
import { createScreening } from './screening.ts'
import { createApplicationRequests } from './uac/application-requests.ts'
import { createUac } from './uac/uac.ts'
import { createUas } from './uas/uas.ts'

/** Told to applications at login. drachtio-srf wants the form `vN.N.N` and at least v0.8.2. */
const protocolVersion = 'v0.9.10'

export interface Engine {
  readonly transportEvents: TransportEvents
  readonly applicationHandler: ApplicationHandler
  readonly counts: () => { dialogs: number; serverTransactions: number; clientTransactions: number; proxied: number }
  readonly close: () => void
}

export interface EngineParts {
  readonly clock: Clock
  readonly log: Log
  readonly timers: EngineTimers
  readonly limits: EngineLimits
  readonly counters: EngineCounters
  /** May be opened later: nothing is sent before the first event. */
  readonly transport: TransportPort
  /** For how long the process has worked without emptying its sockets: new requests are refused when it is too long. */
  readonly behindMs: () => number
  readonly userAgent: string | null
  readonly options?: Partial<EngineOptions>
  /** Null: `options.outbound` is not used. */
  readonly outbound?: OutboundPorts | null
  readonly transactionEnded?: ((transaction: TransactionEnded) => void) | undefined
  readonly names: NameService
  readonly hosts: Hosts
}

export function createEngine(parts: EngineParts): Engine {
  const { clock, log, timers, limits, counters, transport } = parts
  const transactions = createTransactions({ clock, transport, timers, counters, log, ended: parts.transactionEnded })
  const sessions = createSessions()
  const routes = createRoutes()
  const options: EngineOptions = { ...defaultOptions, ...parts.options }
  const time = createTime(clock)
  const nowMs = (): number => clock.monotonicMs()
  const resolver = createResolver({ clock, names: parts.names, hosts: parts.hosts, listeners: () => transport.listeners })
  const paths = createPaths({ transport, resolver, datagram: limits.transport.datagram, nowMs })
  const core = {
    clock,
    log,
    timers,
    limits,
    counters,
    transport,
    transactions,
    routes,
    sessions,
    subscriptions: createSubscriptions({ clock, timers, sessions }),
    paths,
    overload: createOverload(limits.overload, { nowMs, behindMs: parts.behindMs, verdictMs: 64 * timers.t1Ms }),
    time,
    userAgent: parts.userAgent,
    records: createCallRecords(options.cdrs, routes, time),
    screening: createScreening(options.spam, options.answerOptionsOf),
    preserved: new Set(options.preserveNames.map((name) => name.toLowerCase()))
  } as Partial<Core> as { -readonly [key in keyof Core]: Core[key] }
  core.uas = createUas(core)
  core.uac = createUac(core)
  core.requests = createApplicationRequests(core)
  core.proxy = createProxy(core)
  core.outbound = createOutbound(core, options.outbound, parts.outbound ?? null, protocolVersion)
  core.orphans = createOrphans(clock, timers.orphanMs, core.uac.orphaned)

  /** Whoever sent more than is taken is told so; what an answer was to ends. */
  const overlong = (bytes: Buffer, flow: Flow): void => {
    counters.oversized++
    log.warn({ octets: bytes.length, source: flow.remote.address }, 'message larger than allowed')
    const message = essentials(bytes)
    if (message?.kind === 'request') core.uas.stateless.refuse(message, flow, 513, reasonPhrases[513]!)
    else if (message !== undefined) core.uac.response(message, flow)
  }

  const read = (bytes: Buffer, flow: Flow): SipMessage | undefined => {
    try {
      const message = parseMessage(bytes, limits.message)
      if (!isOverlong(message.defect?.code)) return message
      overlong(bytes, flow)
      return undefined
    } catch (error) {
      if (isOverlong(errorCode(error))) {
        overlong(bytes, flow)
        return undefined
      }
      counters.malformed++
      log.debug({ error: (error as Error).message, source: flow.remote.address }, 'not SIP, dropped')
      return undefined
    }
  }

  /** RFC 5923 §8.1: a peer that TLS knows offers its connection for our requests to the port it names. */
  const noteAlias = (message: SipMessage, flow: Flow): void => {
    const line = message.kind === 'request' ? headerLines(message, 'via')[0] : undefined
    const via = line === undefined ? undefined : parseVia(firstVia(line))
    if (via?.params.has('alias')) transport.alias(flow, via.port ?? transportTraits.tls.defaultPort)
  }

  const handle = (application: Application, message: ApplicationMessage) => {
    switch (message.kind) {
      case 'route':
        routes.add(application, message.verb)
        return application.send(okReply(newId(), message.id))
      case 'removeRoute':
        routes.remove(application, message.verb)
        return application.send(okReply(newId(), message.id))
      case 'response':
        return core.uas.respond(application, message)
      case 'dialogRequest':
        return core.requests.dialogRequest(application, message)
      case 'cancel':
        return core.requests.cancel(application, message)
      case 'proxy':
        return proxyCommand(core, application, message)
      case 'newRequest':
        return core.requests.newRequest(application, message)
    }
  }

  /** One message must not take the others down, whatever is wrong with its handling. */
  const guarded = (handle: () => void): boolean => {
    try {
      handle()
      return true
    } catch (error) {
      counters.defects++
      log.error({ err: error }, 'message dropped by a defect of the engine')
      return false
    }
  }

  return {
    transportEvents: {
      message: (bytes, flow) =>
        void guarded(() => {
          if (core.uas.stateless.unread(bytes, flow)) return
          const message = read(bytes, flow)
          if (message === undefined) return
          if (flow.identity?.authorized) noteAlias(message, flow)
          if (message.kind === 'request') core.uas.request(message, flow)
          else core.uac.response(message, flow)
        }),
      oversized: (head, flow) =>
        void guarded(() => {
          const message = read(head, flow)
          if (message?.kind === 'response') return overlong(head, flow)
          if (message === undefined) return
          counters.oversized++
          if (header(message, 'content-length') === undefined)
            core.uas.stateless.refuse(message, flow, 400, 'Missing Content-Length')
          else if (message.defect?.code === 'sip.content-length.malformed')
            core.uas.stateless.refuse(message, flow, 400, 'Bad Content-Length')
          else core.uas.stateless.refuse(message, flow, 413, 'Request Entity Too Large')
        }),
      dropped: () => {
        counters.connectionsRefused++
      }
    },
    applicationHandler: {
      greeting: () => {
        const addresses = transport.listeners.map((each) => `${each.transport}/${hostPort(each)}`).join(',')
        return [addresses, protocolVersion, addresses]
      },
      joined: (application) => {
        const dialogs = core.orphans.adopt(application)
        if (dialogs > 0) log.info({ application: application.id, dialogs }, 'dialogs taken over')
      },
      message: (application, message) => {
        if (guarded(() => handle(application, message))) return
        application.send(nokReply(newId(), message.id, 'Unknown server error'))
      },
      closed: (application) => {
        routes.removeAll(application)
        core.uas.applicationGone(application)
        core.orphans.leave(application, core.uac.applicationGone(application))
      }
    },
    counts: () => {
      const { server, client } = transactions.counts()
      return { dialogs: sessions.count(), serverTransactions: server, clientTransactions: client, proxied: core.proxy.count() }
    },
    close: () => {
      core.uas.close()
      core.uac.close()
      core.proxy.close()
      core.orphans.close()
      paths.close()
      for (const session of [...sessions.all()]) sessions.end(session)
      transactions.close()
    }
  }
}
