import { isIP, isIPv4, isIPv6 } from 'node:net'
import { ConfigError } from '#kernel'

export interface EdgeEndpoint {
  /** IPv4. */
  readonly address: string
  readonly port: number
}

/** A user of the edge. An account kept for one algorithm only is offered that one: some phones give up at the sight of another. */
export interface EdgeCredential {
  readonly user: string
  /** MD5 of `user:realm:password`, 32 hex digits. @see RFC 3261 §22.4 */
  readonly ha1Md5: string | null
  /** SHA-256 of the same, 64 hex digits. @see RFC 8760 */
  readonly ha1Sha256: string | null
  /** Address of record for which this user's phone may register, `user@host` in lower case; none when left out. */
  readonly registers?: string
}

/** A seat of the council: its holder calls as the party that has it. */
export interface EdgeSeat {
  /** `party~seat`: the party is told by `of`, the seat stands behind the last tilde. */
  readonly user: string
  /** Digest user of the party. */
  readonly of: string
  /** As of a user. */
  readonly ha1Md5: string
  readonly ha1Sha256: string
}

/** SIP over WebSocket, for browsers. @see RFC 7118 */
export interface EdgeWebSocket extends EdgeEndpoint {
  /** Origins of the pages whose scripts may come, `https://council.example`. */
  readonly origins: readonly string[]
  /** WebSockets of one address. Default 20. */
  readonly perAddress?: number
}

export interface AllowedNetwork {
  /** Network, `203.0.113.0/24` or `2001:db8:7::/48`. */
  readonly network: string
  /** Whose it is; for the reader. */
  readonly name: string
}

export interface EdgeLimits {
  /** Requests of one address in `pikeSeconds` before it is cut off. */
  readonly pikeRequests: number
  readonly pikeSeconds: number
  /** Calls of one user in a minute. */
  readonly callsPerMinute: number
  /** Calls of one user from one address in ten seconds that IF.guard refused as attacks, before the edge refuses the rest of them. */
  readonly attacksPer10s: number
  /**
   * New calls of which an application server owes the answer; as many as that, and callers get 503 at once. With half as many, callers who have shown no credentials
   * yet do.
   */
  readonly openCalls: number
  /** Largest SIP message, octets. */
  readonly messageBytes: number
  /** Age at which a nonce is stale, seconds. */
  readonly nonceSeconds: number
}

export const defaultEdgeLimits: EdgeLimits = {
  pikeRequests: 30,
  pikeSeconds: 10,
  callsPerMinute: 10,
  attacksPer10s: 10,
  openCalls: 200,
  messageBytes: 16_384,
  nonceSeconds: 300
}

export interface EdgeConfig {
  readonly profile: 'development' | 'production'
  /** Where phones come in. UDP and TCP only in development. */
  readonly listen: {
    readonly tls: EdgeEndpoint
    readonly udp?: EdgeEndpoint | null
    readonly tcp?: EdgeEndpoint | null
    readonly wss?: EdgeWebSocket | null
    /** IPv4 address by which phones are told to reach the ports above: of a NAT that hands connections on to the same ports. None when left out. */
    readonly announced?: string | null
    /** IPv6 address on which the same ports are taken for phones of IPv6; none when left out. */
    readonly address6?: string | null
  }
  /** UDP endpoint toward the application servers; no phone should be able to reach it. */
  readonly inside: EdgeEndpoint
  /** Application servers, UDP. New calls go to the first that answers, so that those of a conference meet: the others stand by. */
  readonly applications: readonly EdgeEndpoint[]
  /** Gateways for `h323-…`; none when left out. */
  readonly h323Gateways?: readonly EdgeEndpoint[]
  readonly tls: {
    readonly certificate: string
    readonly key: string
    /** Authorities of client certificates. */
    readonly ca: string
    /** Revoked certificates, PEM; every authority in `ca` must have its list in it. */
    readonly crl?: string
    /** SHA-256 of the PEM text of revoked certificates, 64 hex digits: refused on connections that were open before the revocation, too. */
    readonly revoked?: readonly string[]
    /** Callers must show a certificate. Default: in production. */
    readonly requireClientCertificate?: boolean
  }
  readonly allowlist: readonly AllowedNetwork[]
  readonly realm: string
  readonly credentials: readonly EdgeCredential[]
  /** Takes digests without qop, MD5 only (RFC 2069). Default false. */
  readonly allowDigestWithoutQop?: boolean
  readonly limits?: Partial<EdgeLimits>
  /** Folder for the rendered files, made when it is not there; private to the edge. */
  readonly runtimeDir: string
  /** Worker processes for TCP and TLS; each UDP socket has one. Default 2. */
  readonly children?: number
  /** Seconds between health checks of application servers. Default 5. */
  readonly probeSeconds?: number
  /** How long an application server may take to answer at all, in milliseconds. Default 2000; 5000 where it is the only one and no other could take the call. */
  readonly answerTimeoutMs?: number
  /** How long somebody who is called out may take to answer at all, in milliseconds. Default 8000. */
  readonly calleeTimeoutMs?: number
  /** Memory of all processes together: calls, connections, tables. Taken from the system as it is used. Default 256. */
  readonly sharedMemoryMb?: number
  /** Word before each line of the accounting in Kamailio's log; the one who runs it makes one that nobody else knows. */
  readonly accountingMark?: string
  /** Kamailio that will read the files, e.g. `5.8.4`. Default: 5.6; `startEdge` asks the one that is installed. */
  readonly kamailioVersion?: string
  readonly debug?: boolean
}

/** A local socket's path has at most 107 octets (sun_path), and ours lies in this folder. */
const longestRuntimeDir = 90

const addressForm = /^[-a-z0-9._~+]{1,64}@[a-z0-9.-]{1,253}$/
const userForm = /^[-A-Za-z0-9._~+@]{1,128}$/
const originForm = /^https?:\/\/[a-z0-9.-]{1,253}(?::\d{1,5})?$/
const pathForm = /^\/[^\u0000-\u001f"\\]*$/

function isNetwork(text: string): boolean {
  const [address = '', prefix, more] = text.split('/')
  if (more !== undefined || isIP(address) === 0 || address.includes('%')) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128))
}

/**
 * Checks a configuration as a whole. Values go into Kamailio's own language, so what could end a string there is refused.
 *
 * @throws {ConfigError} with every problem
 */
export function checkEdgeConfig(config: EdgeConfig): void {
  const problems: string[] = []
  const expect = (ok: boolean, path: string, expected: string) => {
    if (!ok) problems.push(`${path}: expected ${expected}`)
  }
  const endpoint = (path: string, { address, port }: EdgeEndpoint) =>
    expect(isIPv4(address) && Number.isInteger(port) && port > 0 && port < 65_536, path, 'an IPv4 address and a port')
  const { listen, tls, limits = {} } = config
  endpoint('listen.tls', listen.tls)
  if (listen.udp) endpoint('listen.udp', listen.udp)
  if (listen.tcp) endpoint('listen.tcp', listen.tcp)
  expect(config.profile === 'development' || (!listen.udp && !listen.tcp), 'listen', 'TLS only in production')
  if (listen.wss) {
    endpoint('listen.wss', listen.wss)
    expect(listen.wss.port !== listen.tls.port, 'listen.wss', 'another port than that of TLS')
    for (const [n, origin] of listen.wss.origins.entries())
      expect(originForm.test(origin), `listen.wss.origins[${n}]`, 'an origin such as https://council.example')
  }
  if (listen.announced != null) expect(isIPv4(listen.announced), 'listen.announced', 'an IPv4 address')
  if (listen.address6 != null)
    expect(
      isIPv6(listen.address6) && !/%|^[0:]*$/.test(listen.address6),
      'listen.address6',
      'one IPv6 address of this machine, without brackets'
    )
  endpoint('inside', config.inside)
  expect(config.applications.length > 0, 'applications', 'at least one')
  for (const [n, application] of config.applications.entries()) endpoint(`applications[${n}]`, application)
  for (const [n, gateway] of (config.h323Gateways ?? []).entries()) endpoint(`h323Gateways[${n}]`, gateway)
  for (const name of ['certificate', 'key', 'ca'] as const) expect(pathForm.test(tls[name]), `tls.${name}`, 'an absolute path')
  expect(tls.crl === undefined || pathForm.test(tls.crl), 'tls.crl', 'an absolute path')
  for (const [n, print] of (tls.revoked ?? []).entries())
    expect(/^[0-9a-f]{64}$/.test(print), `tls.revoked[${n}]`, '64 hex digits')
  expect(
    pathForm.test(config.runtimeDir) && config.runtimeDir.length <= longestRuntimeDir,
    'runtimeDir',
    `an absolute path of at most ${longestRuntimeDir} characters`
  )
  expect(config.allowlist.length > 0, 'allowlist', 'at least one network')
  for (const [n, { network }] of config.allowlist.entries())
    expect(isNetwork(network), `allowlist[${n}].network`, 'a network such as 203.0.113.0/24 or 2001:db8:7::/48')
  expect(/^[A-Za-z0-9._ -]{1,128}$/.test(config.realm), 'realm', 'letters, digits, blanks and . _ -')
  for (const [n, { user, ha1Md5, ha1Sha256, registers }] of config.credentials.entries()) {
    expect(userForm.test(user), `credentials[${n}].user`, 'letters, digits and - . _ ~ + @')
    expect(registers === undefined || addressForm.test(registers), `credentials[${n}].registers`, 'user@host in lower case')
    expect(ha1Md5 === null || /^[0-9a-f]{32}$/.test(ha1Md5), `credentials[${n}].ha1Md5`, '32 hex digits')
    expect(ha1Sha256 === null || /^[0-9a-f]{64}$/.test(ha1Sha256), `credentials[${n}].ha1Sha256`, '64 hex digits')
    expect(ha1Md5 !== null || ha1Sha256 !== null, `credentials[${n}]`, 'at least one of ha1Md5 and ha1Sha256')
  }
  const numbers = {
    ...limits,
    children: config.children,
    probeSeconds: config.probeSeconds,
    answerTimeoutMs: config.answerTimeoutMs,
    calleeTimeoutMs: config.calleeTimeoutMs,
    sharedMemoryMb: config.sharedMemoryMb,
    perAddress: listen.wss?.perAddress
  }
  for (const [name, value] of Object.entries(numbers)) {
    expect(value === undefined || (Number.isSafeInteger(value) && value > 0), name, 'a whole number above 0')
  }
  expect((limits.messageBytes ?? 1024) <= 65_536, 'limits.messageBytes', 'at most 65536')
  if (problems.length > 0) throw new ConfigError('edge', problems)
}
