/**
 * An embedded server of the drachtio wire protocol: SIP on one side, unmodified drachtio-srf applications on the other.
 *
 * @see README.md
 */
import { randomUUID } from 'node:crypto'
import { type Clock, ConfigError, type Log, systemClock } from '#kernel'
import { type CaptureConfig, type CaptureCounters, captureProblems, createHepSender } from './capture/hep-sender.ts'
import { createWireTap, type WireObserver } from './capture/wire.ts'
import { defaultMessageLimits, type MessageLimits } from './codec/limits.ts'
import { type EngineStats, newCounters } from './common/stats.ts'
import { defaultTimers, type EngineTimers, longestTryingMs } from './common/timers.ts'
import type { Imported } from './configuration/drachtio-conf.ts'
import type { LoadedServer, SettingsOverrides } from './configuration/settings.ts'
import type { EngineLimits, EngineOptions } from './core/config.ts'
import { createEngine } from './core/engine.ts'
import { askHttp } from './core/http-routing.ts'
import { outboundProblems } from './core/outbound.ts'
import { type AdminConfig, type ApplicationLink, openApplicationLink } from './drachtio/application-link.ts'
import { maxFrame } from './drachtio/framing.ts'
import { type InProcessApplication, joinInProcess } from './drachtio/in-process.ts'
import type { MetricsConfig } from './metrics/http.ts'
import { createHosts } from './next-hop/hosts-file.ts'
import { createNameService, type NameServiceConfig, nameServiceProblems } from './next-hop/name-service.ts'
import { createLoadMeter } from './overload/load-meter.ts'
import { defaultOverloadLimits, type OverloadLimits } from './overload/overload.ts'
import { isPort, type ListenConfig, listenProblems } from './transport/listen-config.ts'
import {
  defaultTransportLimits,
  type Listener,
  type TransportEvents,
  type TransportLimits,
  type TransportPort
} from './transport/port.ts'
import { openTransports, type Transports } from './transport/transports.ts'

export type { CaptureConfig, CaptureCounters } from './capture/hep-sender.ts'
export type { WireEvent, WireObserver } from './capture/wire.ts'
export * as codec from './codec/codec.ts'
export type { MessageLimits } from './codec/limits.ts'
export type { EngineStats } from './common/stats.ts'
export type { EngineTimers } from './common/timers.ts'
export type { Imported, ImportNote } from './configuration/drachtio-conf.ts'
export type { LoadedServer, SettingsOverrides } from './configuration/settings.ts'
export type { EngineOptions } from './core/config.ts'
export type { AdminConfig } from './drachtio/application-link.ts'
export type { InProcessApplication } from './drachtio/in-process.ts'
export type { MetricsConfig } from './metrics/http.ts'
export type { OverloadLimits } from './overload/overload.ts'
export type { ListenConfig, WebSocketConfig } from './transport/listen-config.ts'
export type { Listener, TransportLimits, TransportName } from './transport/port.ts'
export type { TlsConfig, TlsCredentials, TlsSource } from './transport/tls-contexts.ts'

export interface SipServerConfig {
  /** At least one. */
  readonly listen: readonly ListenConfig[]
  /** Where applications of other processes connect. Without it only `connect` joins applications. */
  readonly admin?: AdminConfig
  readonly timers?: Partial<EngineTimers>
  readonly limits?: {
    readonly message?: Partial<MessageLimits>
    readonly transport?: Partial<TransportLimits>
    /** Octets of one frame from an application. Default 1 MiB. */
    readonly frame?: number
    /** Octets an application may leave unread before it is disconnected. Default 64 MiB. */
    readonly sendQueue?: number
    /** Connected applications at once. Default 256. */
    readonly applications?: number
    /** Requests at once; more are refused with 503. Default 200,000. */
    readonly serverTransactions?: number
    /** From where on new requests are refused, so that calls go on. */
    readonly overload?: Partial<OverloadLimits>
  }
  readonly options?: Partial<EngineOptions>
  readonly log: Log
  readonly clock?: Clock
  /** How names of next hops are found: the hosts file, then name servers. Default: those of the system. */
  readonly dns?: DnsConfig
  /** Server and User-Agent of messages the engine makes by itself. Default: none. */
  readonly userAgent?: string
  /** Shown every message on the wire, both ways, retransmissions included. One that throws harms no call. */
  readonly onWire?: WireObserver
  /** Where Prometheus fetches `/metrics`. Default: nowhere. */
  readonly metrics?: MetricsConfig
  /** HEP3 collector (Homer) that is sent a copy of every message. Default: none. */
  readonly capture?: CaptureConfig
}

export interface DnsConfig extends NameServiceConfig {
  /** Default `/etc/hosts`. */
  readonly hostsFile?: string
}

export interface SipServer {
  /** One for each entry of `listen`, in its order, with the ports really taken. */
  readonly addresses: readonly Listener[]
  /** 0 without `admin`. */
  readonly adminPort: number
  /** 0 without `admin.tls`. */
  readonly adminTlsPort: number
  /**
   * Joins a drachtio-srf instance of this process with no socket between. It behaves as after `srf.connect`: login, routes, `connect` event.
   *
   * @throws {InfraFabricError} `sip-engine.in-process` for what is no drachtio-srf instance.
   */
  readonly connect: (srf: InProcessApplication) => void
  readonly stats: () => EngineStats
  /** Port of `metrics`; 0 without it. */
  readonly metricsPort: number
  /** What became of the copies for `capture`; null without it. */
  readonly captured: () => Readonly<CaptureCounters> | null
  /**
   * Reads the keys and certificates of all TLS listeners again, where `tls` is a function. Open connections live on with the old ones.
   *
   * @throws {InfraFabricError} `sip-engine.tls` when one cannot be used: nothing changes then.
   */
  readonly reloadTls: () => void
  /** Closes every socket and timer, once. Calls are not ended: their peers see silence. */
  readonly close: () => Promise<void>
}

/**
 * Starts the engine. It listens when the promise resolves.
 *
 * @throws {ConfigError} for a configuration that cannot work.
 * @throws {InfraFabricError} `sip-engine.listen` when an address or port cannot be taken; nothing stays open then.
 */
export async function createSipServer(config: SipServerConfig): Promise<SipServer> {
  const problems = configProblems(config)
  if (problems.length > 0) throw new ConfigError('sip-engine', problems)
  const clock = config.clock ?? systemClock
  const timers = { ...defaultTimers, ...config.timers }
  const limits: EngineLimits = {
    message: { ...defaultMessageLimits, ...config.limits?.message },
    transport: { ...defaultTransportLimits, ...config.limits?.transport },
    frame: config.limits?.frame ?? maxFrame,
    applications: config.limits?.applications ?? 256,
    serverTransactions: config.limits?.serverTransactions ?? 200_000,
    overload: { ...defaultOverloadLimits, ...config.limits?.overload }
  }
  const counters = newCounters()
  const { log } = config

  const capture = config.capture === undefined ? null : createHepSender(config.capture, clock, log)
  const metrics =
    config.metrics === undefined
      ? null
      : (await import('./metrics/metrics.ts')).createMetrics({
          stats: () => stats(),
          connections: () => transport?.connectionsByTransport() ?? {},
          capture: capture?.counters ?? null
        })
  const observers = [config.onWire, capture?.observe, metrics?.onWire].filter((each) => each !== undefined)
  const tap = observers.length === 0 ? null : createWireTap(observers, clock, log)

  let transport: Transports | undefined
  const opened = (): Transports => transport!
  const sending: Pick<TransportPort, 'reply' | 'send' | 'sendOnFlow'> = {
    reply: (...args) => opened().reply(...args),
    send: (...args) => opened().send(...args),
    sendOnFlow: (...args) => opened().sendOnFlow(...args)
  }
  const meter = createLoadMeter((listener, reached) => transport?.mark(listener, reached))
  const engine = createEngine({
    clock,
    log,
    timers,
    limits,
    counters,
    transport: {
      get listeners() {
        return opened().listeners
      },
      ...(tap === null ? sending : tap.sent(sending)),
      isOpen: (flow) => opened().isOpen(flow),
      alias: (flow, port) => opened().alias(flow, port)
    },
    behindMs: meter.behindMs,
    userAgent: config.userAgent ?? null,
    options: config.options ?? {},
    outbound: { ask: askHttp, dial: (...args) => link?.dial(...args) ?? (() => undefined) },
    names: createNameService(config.dns),
    hosts: createHosts(config.dns?.hostsFile ?? '/etc/hosts', () => clock.monotonicMs()),
    transactionEnded: metrics?.onTransaction
  })
  const received = tap === null ? engine.transportEvents : tap.received(engine.transportEvents)
  const events: TransportEvents = {
    ...engine.transportEvents,
    ...received,
    message: (bytes, flow) => {
      meter.received(flow)
      if (transport !== undefined) received.message(bytes, flow)
    }
  }
  const stats = (): EngineStats => ({
    ...counters,
    ...engine.counts(),
    applications: link?.applications() ?? 0,
    connections: transport?.connections() ?? 0
  })
  let link: ApplicationLink | undefined
  let metricsPort = 0
  const secret = config.admin?.secret ?? randomUUID()
  /** What is open, in the order of opening. */
  const closers: (() => Promise<void> | void)[] = []
  if (capture !== null) closers.push(capture.close)
  if (metrics !== null) closers.push(metrics.close)
  const close = async (): Promise<void> => {
    for (const each of closers.reverse()) await each()
  }
  try {
    if (config.metrics !== undefined && metrics !== null) {
      const { serveMetrics } = await import('./metrics/http.ts')
      const server = await serveMetrics(config.metrics, metrics, log)
      metricsPort = server.port
      closers.push(server.close)
    }
    const transports = await openTransports(config.listen, limits.transport, clock, events)
    closers.push(transports.close, engine.close)
    transport = transports
    link = await openApplicationLink({
      config: config.admin ?? null,
      secret,
      limits: {
        frame: limits.frame,
        applications: limits.applications,
        loginMs: timers.loginMs,
        sendQueue: config.limits?.sendQueue ?? 67_108_864
      },
      clock,
      log,
      counters,
      handler: engine.applicationHandler
    })
    closers.push(link.close)
  } catch (error) {
    await close()
    throw error
  }
  log.info({ listen: transport.listeners, admin: link.port, metrics: metricsPort }, 'sip engine listens')

  const joined = link
  let closed: Promise<void> | undefined
  return {
    addresses: transport.listeners,
    adminPort: link.port ?? 0,
    adminTlsPort: link.tlsPort ?? 0,
    connect: (srf) => joined.serve(joinInProcess(srf, secret)),
    reloadTls: () => {
      opened().reloadTls()
      log.info({}, 'keys and certificates read again')
    },
    stats,
    metricsPort,
    captured: () => capture?.counters ?? null,
    close: () => {
      closed ??= close()
      return closed
    }
  }
}

/**
 * Reads a settings file (YAML) for a server that runs alone.
 *
 * @param file null for none: `overrides` say everything then.
 * @throws {ConfigError} naming every problem at once, each with the path of its setting.
 */
export async function loadSipServer(file: string | null, overrides?: SettingsOverrides): Promise<LoadedServer> {
  return (await import('./configuration/settings.ts')).loadServer(file, configProblems, overrides)
}

/**
 * Turns the text of a drachtio.conf.xml into a settings file.
 *
 * @param options.source name of the file, for the comment in front.
 * @param options.anyAddress stands where the file listens on `*`.
 * @returns `yaml`, and `notes` on everything that was not taken over, which stand in it as comments too.
 * @throws {InfraFabricError} `sip-engine.xml` with the line.
 */
export async function importDrachtioConf(
  text: string,
  options: { readonly source: string; readonly anyAddress?: string | undefined }
): Promise<Imported & { readonly yaml: string }> {
  const { importConf, importedYaml } = await import('./configuration/drachtio-conf.ts')
  const imported = importConf(text, options.anyAddress)
  return { ...imported, yaml: importedYaml(options.source, imported) }
}

function configProblems(config: Omit<SipServerConfig, 'log'>): string[] {
  const problems = listenProblems(config.listen)
  if (config.admin !== undefined && !isPort(config.admin.port)) problems.push('admin.port: 0 to 65535')
  if (config.metrics !== undefined && !isPort(config.metrics.port)) problems.push('metrics.port: 0 to 65535')
  problems.push(...captureProblems(config.capture))
  if (config.admin?.tls !== undefined && !isPort(config.admin.tls.port)) problems.push('admin.tls.port: 0 to 65535')
  problems.push(...outboundProblems(config.options?.outbound ?? []).map((problem) => `options.${problem}`))
  if (config.options?.outbound?.length && config.admin === undefined) {
    problems.push('options.outbound: needs admin.secret, with which applications log in')
  }
  if (config.admin?.secret === '') problems.push('admin.secret: must not be empty')
  for (const [name, value] of Object.entries(config.timers ?? {})) {
    if (!Number.isFinite(value) || value <= 0) problems.push(`timers.${name}: a positive number of milliseconds`)
    else if (name === 'tryingMs' && value > longestTryingMs) problems.push(`timers.${name}: at most ${longestTryingMs} ms`)
  }
  problems.push(...nameServiceProblems(config.dns ?? {}).map((problem) => `dns.${problem}`))
  for (const name of ['frame', 'sendQueue', 'applications', 'serverTransactions'] as const) {
    const value = config.limits?.[name] ?? 1
    if (!Number.isSafeInteger(value) || value <= 0) problems.push(`limits.${name}: a positive whole number`)
  }
  for (const [name, value] of Object.entries(config.limits?.transport ?? {})) {
    if (!Number.isFinite(value) || value <= 0) problems.push(`limits.transport.${name}: a positive number`)
  }
  return problems
}
