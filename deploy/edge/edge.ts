import type { Registry as Figures } from 'prom-client'
import type { Registry } from '#guard'
import { type AllowedNetwork, type Edge, type EdgeCredential, type EdgeEndpoint, startEdge, webSocketPath } from '#kamailio'
import { type Clock, errorCode, InfraFabricError, type Log, type Witness } from '#kernel'
import { type Credentials, ensureCredentials, readCredentials } from '../data/credentials.ts'
import type { DataLayout } from '../data/layout.ts'
import type { SuiteConfig } from '../settings/settings.ts'
import type { SeatsAtEdge } from '../webrtc/sip-phones.ts'
import { renewRevocations, trustOf, watchCertificates } from './certificates.ts'
import { freeTcpPort, freeUdpPort, keepPort, keptUdpPort } from './free-ports.ts'
import { edgeMetrics } from './metrics.ts'
import { registryPollMs, watchFile } from './registry-watch.ts'

/** Kamailio as a part of the suite. */
export interface EmbeddedEdge {
  readonly addresses: { readonly tls: EdgeEndpoint; readonly udp: EdgeEndpoint | null; readonly tcp: EdgeEndpoint | null }
  /** Where application servers reach the edge, UDP. */
  readonly inside: EdgeEndpoint
  readonly pid: Edge['pid']
  /** Any RPC of Kamailio. */
  readonly rpc: Edge['rpc']
  readonly certificateDaysLeft: () => number
  /** Where SIP is taken over WebSockets, and who lets seats of the council in; null where none is taken. */
  readonly webSocket: { readonly url: string; readonly seats: SeatsAtEdge } | null
  /**
   * Gives the edge the credentials of the registry as it is now. Never rejects.
   *
   * @returns users that got new ones (development only); null where that failed, of which a warning was told
   */
  readonly registryChanged: () => Promise<readonly string[] | null>
  readonly stop: () => Promise<void>
}

export interface EmbeddedEdgeOptions {
  readonly config: SuiteConfig
  readonly layout: DataLayout
  readonly guard: { readonly registry: () => Pick<Registry, 'parties'> }
  /** Where it takes requests of application servers, UDP; null for a free port of loopback, which is kept for the next start. */
  readonly inside: EdgeEndpoint | null
  /** SIP servers of the applications, UDP: new calls go to the first that answers. */
  readonly applications: readonly EdgeEndpoint[]
  /** Null where no ledger is in reach. */
  readonly witness: Witness | null
  /** Takes the figures of Kamailio and of certificates. */
  readonly figures: Figures
  /** Pages whose scripts may open a WebSocket; null where none is taken. */
  readonly webSocketOrigins: readonly string[] | null
  readonly clock: Clock
  readonly log: Log
  readonly warn: (code: string, message: string) => void
  readonly onState: (state: 'lost' | 'running', detail: string | null) => void
}

const loopback = '127.0.0.1'
const developmentAllowlist: readonly AllowedNetwork[] = [
  { network: '127.0.0.0/8', name: 'this machine' },
  { network: '::1', name: 'this machine' }
]
/** Another program may take a free port before Kamailio does. */
const startAttempts = 3

/** Starts Kamailio between the phones and the application. Certificates that run out are told of; revocations, and changes of the credentials file, reach it as they are made. */
export async function startEmbeddedEdge(options: EmbeddedEdgeOptions): Promise<EmbeddedEdge> {
  const { config, layout, clock, log, warn } = options
  const strangers = md5OnlyStrangers(options)
  if (strangers.length > 0)
    throw new InfraFabricError(
      'suite.md5-only.unknown',
      `md5OnlyUsers: no party of the registry is called ${strangers.join(', ')}`
    )
  const { credentials } = await credentialsOf(options)
  await renewRevocations(layout, clock.now())
  const trust = await trustOf(config, layout, warn)

  const attempt = async (): Promise<{
    edge: Edge
    listen: EmbeddedEdge['addresses'] & { readonly wss: EdgeEndpoint | null }
    inside: EdgeEndpoint
  }> => {
    const { address } = config.listen
    const endpoint = async (port: number, free: (address: string) => Promise<number>): Promise<EdgeEndpoint> => ({
      address,
      port: port === 0 ? await free(address) : port
    })
    const listen = {
      tls: await endpoint(config.listen.tls, freeTcpPort),
      udp: config.listen.udp === null ? null : await endpoint(config.listen.udp, freeUdpPort),
      tcp: config.listen.tcp === null ? null : await endpoint(config.listen.tcp, freeTcpPort),
      wss:
        options.webSocketOrigins === null || config.webrtc.sip === null
          ? null
          : {
              ...(await endpoint(config.webrtc.sip.port, freeTcpPort)),
              origins: options.webSocketOrigins,
              perAddress: config.webrtc.sip.perAddress
            }
    }
    const inside = options.inside ?? (await keptInside(layout.edgePort))
    const edge = await startEdge(
      {
        profile: config.profile,
        listen: { ...listen, announced: config.listen.announced, address6: config.listen.address6 },
        inside,
        applications: options.applications,
        tls: {
          certificate: layout.certificate,
          key: layout.certificateKey,
          ...trust,
          ...(config.requireClientCertificate === null ? {} : { requireClientCertificate: config.requireClientCertificate })
        },
        allowlist: config.allowlist ?? developmentAllowlist,
        realm: config.realm,
        credentials,
        allowDigestWithoutQop: config.allowDigestWithoutQop,
        limits: {
          pikeRequests: config.limits.requestsPer10s,
          pikeSeconds: 10,
          callsPerMinute: config.limits.callsPerMinute
        },
        runtimeDir: layout.edge
      },
      { log, clock, onState: options.onState }
    )
    return { edge, listen, inside }
  }

  const automatic = [config.listen.tls, config.listen.udp, config.listen.tcp, config.webrtc.sip?.port].includes(0)
  let started: Awaited<ReturnType<typeof attempt>> | null = null
  for (let left = automatic ? startAttempts : 1; started === null; ) {
    try {
      started = await attempt()
    } catch (error) {
      if (--left === 0) throw error
      log.info({ error: String(error) }, 'edge did not start on the ports it was given; again on others')
    }
  }
  const { edge, listen, inside } = started

  const renewCredentials = async (): Promise<readonly string[] | null> => {
    try {
      const strangers = md5OnlyStrangers(options)
      if (strangers.length > 0)
        warn('suite.md5-only.unknown', `md5OnlyUsers: the registry does not know ${strangers.join(', ')} any more`)
      const renewed = await credentialsOf(options)
      await edge.reloadCredentials(renewed.credentials)
      return renewed.added
    } catch (error) {
      warn('suite.credentials', `credentials not renewed: ${errorCode(error)}`)
      return null
    }
  }
  const stopWatching = await watchCertificates({ ...options, edge })
  // a password that was changed or taken away is good no longer than the registry's own changes take
  const stopCredentials = watchFile(layout.credentials, clock, registryPollMs, async () => {
    if ((await renewCredentials()) !== null) log.info('credentials renewed')
  })
  const withoutFigures = edgeMetrics(options.figures, edge.rpc)

  const { wss, ...addresses } = listen
  return {
    addresses,
    webSocket:
      wss === null ? null : { url: config.webrtc.sip?.url ?? `wss://${wss.address}:${wss.port}${webSocketPath}`, seats: edge },
    inside,
    pid: edge.pid,
    rpc: edge.rpc,
    certificateDaysLeft: () => edge.certificate().daysLeft,
    registryChanged: renewCredentials,
    stop: async () => {
      stopCredentials()
      withoutFigures()
      await stopWatching()
      await edge.stop()
    }
  }
}

/** The port toward application servers of the last run, or a free one. */
async function keptInside(file: string): Promise<EdgeEndpoint> {
  const port = (await keptUdpPort(file, loopback)) || (await freeUdpPort(loopback))
  await keepPort(file, port)
  return { address: loopback, port }
}

/** Credentials of everybody in the registry. Development makes up those that are missing; production warns of them. */
async function credentialsOf({
  config,
  layout,
  guard,
  warn
}: EmbeddedEdgeOptions): Promise<{ credentials: readonly EdgeCredential[]; added: readonly string[] }> {
  const users = guard.registry().parties.map(({ digestUser }) => digestUser)
  const { credentials, added } =
    config.profile === 'development'
      ? await ensureCredentials(layout.credentials, config.realm, users)
      : { credentials: await readCredentials(layout.credentials), added: [] }
  const usable = users.filter((user) => credentials.users[user]?.realm === config.realm)
  const missing = users.filter((user) => !usable.includes(user))
  if (missing.length > 0)
    warn('suite.credentials.missing', `registered, but without credentials in this realm: ${missing.join(', ')}`)
  const registering = new Map(
    guard
      .registry()
      .parties.filter(({ registers }) => registers)
      .map(({ digestUser, uri }) => [digestUser, uri.replace(/^sips?:/i, '').toLowerCase()])
  )
  return {
    credentials: usable.map((user) => {
      const registers = registering.get(user)
      return { ...edgeCredential(user, credentials, config.md5OnlyUsers), ...(registers === undefined ? {} : { registers }) }
    }),
    added
  }
}

/** Names set for MD5 that nobody has: a typing error there would leave a phone out with no word of why. */
function md5OnlyStrangers({ config, guard }: Pick<EmbeddedEdgeOptions, 'config' | 'guard'>): string[] {
  const users = new Set(guard.registry().parties.map(({ digestUser }) => digestUser))
  return config.md5OnlyUsers.filter((name) => !users.has(name))
}

function edgeCredential(user: string, { users }: Credentials, md5Only: readonly string[]): EdgeCredential {
  const { ha1Md5, ha1Sha256 } = users[user]!
  return { user, ha1Md5, ha1Sha256: md5Only.includes(user) ? null : ha1Sha256 }
}
