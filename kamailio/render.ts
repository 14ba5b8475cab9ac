import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { checkEdgeConfig, defaultEdgeLimits, type EdgeConfig, type EdgeEndpoint } from './config.ts'

/** Where Debian and Ubuntu put Kamailio's modules, by processor. */
const modulePaths: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: '/usr/lib/x86_64-linux-gnu/kamailio/modules/',
  arm64: '/usr/lib/aarch64-linux-gnu/kamailio/modules/'
}

const at = ({ address, port }: EdgeEndpoint) => `${isIPv6(address) ? `[${address}]` : address}:${port}`

/** The same port on each address where phones come in. */
const everywhere = (endpoint: EdgeEndpoint, { address6 }: EdgeConfig['listen']): readonly string[] =>
  [endpoint, ...(address6 == null ? [] : [{ ...endpoint, address: address6 }])].map(at)
const quoted = (text: string) => `"${text}"`

/** TLS 1.2 suites with forward secrecy and authenticated encryption; TLS 1.3 has no others. @see RFC 9325 §4.2 */
const ciphers = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256'
].join(':')

/** Whether this Kamailio can keep the thread-local state of OpenSSL 3 apart in its processes by itself. */
export function hasThreadsMode(version = '5.6.0'): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 8)
}

/** Where WebSockets are opened. */
export const webSocketPath = '/sip'

/** Name in the runtime folder of the socket for RPC. */
export const rpcSocket = 'rpc.sock'

function local(config: EdgeConfig): string {
  const limits = { ...defaultEdgeLimits, ...config.limits }
  const { listen } = config
  const defines = [
    ...(config.profile === 'development' ? ['WITH_PLAIN'] : []),
    ...((config.tls.requireClientCertificate ?? config.profile === 'production') ? ['WITH_CLIENT_CERTIFICATE'] : []),
    ...(config.allowDigestWithoutQop ? ['WITH_DIGEST_WITHOUT_QOP'] : []),
    ...((config.h323Gateways ?? []).length > 0 ? ['WITH_H323_BRIDGE'] : []),
    ...(listen.wss ? ['WITH_WEBSOCKET'] : []),
    ...(config.debug ? ['WITH_DEBUG'] : [])
  ]
  // Names that also stand inside strings are substituted; the others are defined.
  const substituted: Record<string, string | number> = {
    EDGE_REALM: config.realm,
    EDGE_ACCOUNTING_MARK: config.accountingMark ?? 'accounting:',
    EDGE_NONCE_KEEP: limits.nonceSeconds + 60,
    EDGE_PIKE_WINDOW: limits.pikeSeconds,
    EDGE_CALLEE_TIMER_MS: config.calleeTimeoutMs ?? 8000,
    ...(listen.wss ? { EDGE_WS_PATH: webSocketPath } : {})
  }
  const values: Record<string, string | number> = {
    EDGE_CHILDREN: config.children ?? 2,
    EDGE_MODULE_PATH: quoted(modulePaths[process.arch] ?? modulePaths.x64!),
    EDGE_RPC_SOCKET: quoted(`unixs:${config.runtimeDir}/${rpcSocket}`),
    EDGE_FR_TIMER_MS: config.answerTimeoutMs ?? (config.applications.length > 1 ? 2000 : 5000),
    EDGE_PIKE_SECONDS: limits.pikeSeconds,
    EDGE_PIKE_REQUESTS: limits.pikeRequests,
    EDGE_CALLS_PER_MINUTE: limits.callsPerMinute,
    EDGE_ATTACKS: limits.attacksPer10s,
    EDGE_OPEN_CALLS: limits.openCalls * config.applications.length,
    EDGE_OPEN_CALLS_NEW: Math.ceil((limits.openCalls * config.applications.length) / 2),
    EDGE_MAX_MESSAGE: limits.messageBytes,
    EDGE_NONCE_SECONDS: limits.nonceSeconds,
    EDGE_PROBE_SECONDS: config.probeSeconds ?? 5,
    EDGE_INSIDE_SOCKET: quoted(`udp:${at(config.inside)}`),
    ...(listen.wss ? { EDGE_WS_PORT: listen.wss.port, EDGE_WS_PER_ADDRESS: listen.wss.perAddress ?? 20 } : {})
  }
  return [
    ...defines.map((name) => `#!define ${name}`),
    ...Object.entries(substituted).map(([name, value]) => `#!substdef "!${name}!${value}!g"`),
    ...Object.entries(values).map(([name, value]) => `#!define ${name} ${value}`),
    '',
    // Kamailio knows by itself from 5.8 on what openssl-fork.c does for older ones.
    ...(hasThreadsMode(config.kamailioVersion) ? ['tls_threads_mode=2'] : []),
    // One process reads each UDP socket: what was sent in a row is passed on in that order, a 200 does not overtake its 180, nor a BYE its ACK.
    'socket_workers=1',
    `listen=udp:${at(config.inside)}`,
    ...(['tls', 'wss', 'udp', 'tcp'] as const).flatMap((kind) => {
      const endpoint = listen[kind]
      if (!endpoint) return []
      return everywhere(endpoint, listen).map((place) => {
        const told =
          listen.announced == null || place !== at(endpoint) ? '' : ` advertise ${at({ ...endpoint, address: listen.announced })}`
        return `${kind === 'udp' ? 'socket_workers=1\n' : ''}listen=${kind === 'wss' ? 'tls' : kind}:${place}${told}`
      })
    }),
    ''
  ].join('\n')
}

function tls({ tls: files, listen }: EdgeConfig): string {
  const own = [`certificate = "${files.certificate}"`, `private_key = "${files.key}"`]
  return [
    '[server:default]',
    'method = TLSv1.2+',
    'verify_client = optional_no_ca',
    ...own,
    `ca_list = "${files.ca}"`,
    ...(files.crl === undefined ? [] : [`crl = "${files.crl}"`]),
    `cipher_list = ${ciphers}`,
    '',
    ...(listen.wss ? everywhere(listen.wss, listen) : []).flatMap((place) => [
      `[server:${place}]`,
      'method = TLSv1.2+',
      'verify_client = off',
      ...own,
      `cipher_list = ${ciphers}`,
      ''
    ]),
    '[client:default]',
    'method = TLSv1.2+',
    'verify_certificate = yes',
    'require_certificate = yes',
    ...own,
    `ca_list = "${files.ca}"`,
    `cipher_list = ${ciphers}`,
    ''
  ].join('\n')
}

function dispatcher({ applications, h323Gateways = [] }: EdgeConfig): string {
  /** The last number is the priority: the first of the list has the highest. */
  const lines = (set: number, endpoints: readonly EdgeEndpoint[]) =>
    endpoints.map((endpoint, index) => `${set} sip:${at(endpoint)} 0 ${endpoints.length - index}`)
  return [...lines(1, applications), ...lines(2, h323Gateways), ''].join('\n')
}

function allowlist({ allowlist: networks }: EdgeConfig): string {
  return networks
    .map(({ network, name }) => {
      const [address = '', prefix = isIPv6(address) ? '128' : '32'] = network.split('/')
      return `1 ${address} ${prefix} 0 ${name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 60)}\n`
    })
    .join('')
}

/** What is set when Kamailio starts, from `credentials.cfg`; by RPC later. */
function credentials({ credentials: users, tls: { revoked = [] }, listen: { wss } }: EdgeConfig): string {
  const lines = users.flatMap(({ user, ha1Md5, ha1Sha256, registers }) => [
    ...(ha1Md5 === null ? [] : [`\t$sht(md5=>${user}) = "${ha1Md5}";`]),
    ...(ha1Sha256 === null ? [] : [`\t$sht(sha256=>${user}) = "${ha1Sha256}";`]),
    ...(registers === undefined ? [] : [`\t$sht(registers=>${registers}) = "${user}";`])
  ])
  const key = '\t$sht(start=>key) = $uuid(g) + $uuid(g);'
  const ended = revoked.map((print) => `\t$sht(revoked=>${print}) = 1;`)
  if (ended.length > 0) ended.push('\t$sht(start=>revocations) = 1;')
  const origins = (wss?.origins ?? []).map((origin) => `\t$sht(origin=>${origin}) = 1;`)
  return [
    'event_route[htable:mod-init] {',
    key,
    ...lines,
    ...ended,
    ...origins,
    `\txlog("L_INFO", "${users.length} users\\n");`,
    '}',
    ''
  ].join('\n')
}

/**
 * The files Kamailio runs on, by name. Both profiles come of the one kamailio.cfg beside this module. Pure.
 *
 * @throws {ConfigError}
 */
export function renderEdge(config: EdgeConfig): ReadonlyMap<string, string> {
  checkEdgeConfig(config)
  return new Map([
    ['kamailio.cfg', readFileSync(new URL('./kamailio.cfg', import.meta.url), 'utf8')],
    ['kamailio-local.cfg', local(config)],
    ['credentials.cfg', credentials(config)],
    ['tls.cfg', tls(config)],
    ['dispatcher.list', dispatcher(config)],
    ['allowlist', allowlist(config)]
  ])
}
