/**
 * Lets a program that speaks only TCP reach a TLS listener: one TLS connection per TCP connection, octets passed unchanged.
 *
 *     SIPp ──TCP, loopback──▶ relay ──TLS──▶ edge:5061
 *
 * Nothing is read from the plain side before the handshake is done and verified, so a failed handshake costs the caller a reset
 * connection and sends none of its octets anywhere. A half-close is passed on (FIN ⇄ close_notify), and so is back-pressure.
 *
 *     node scripts/tls-relay.ts --target 127.0.0.1:5061 --ca ca.pem --cert expert.pem --key expert.key
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, BlockList, createServer, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect, createSecureContext, type SecureVersion, type TLSSocket } from 'node:tls'
import { parseArgs } from 'node:util'
import { errorCode, InfraFabricError } from '#kernel'

export interface TlsRelayOptions {
  /** The TLS listener. */
  readonly target: { readonly host: string; readonly port: number }
  /** Where plain TCP is accepted: loopback addresses only. Default 127.0.0.1, port 0 (any free port). */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** PEM texts. Without `ca` the system's authorities count. */
  readonly ca?: string | Buffer
  readonly certificate?: string | Buffer
  readonly key?: string | Buffer
  /** Name sent as SNI and checked against the certificate. Default: `target.host`. */
  readonly servername?: string
  /** False accepts any certificate. Default true. */
  readonly verify?: boolean
  readonly minVersion?: SecureVersion
  readonly maxVersion?: SecureVersion
  /** OpenSSL cipher list. Default: Node's. */
  readonly ciphers?: string
  /** Connections held at once; one more is reset. Default 4096. */
  readonly maxConnections?: number
  /** For TCP connect and TLS handshake together. Default 5,000. */
  readonly handshakeTimeoutMs?: number
  /** A connection on which nothing moves for this long, in either direction, is reset. Default 600,000. */
  readonly idleTimeoutMs?: number
  readonly onEvent?: (event: TlsRelayEvent) => void
}

export type TlsRelayEvent =
  | { readonly type: 'established'; readonly id: number; readonly version: string; readonly cipher: string }
  /** `code`: of OpenSSL, of the certificate check or of the socket (`ECONNREFUSED`), `tls.relay.handshake-timeout`, `tls.relay.idle-timeout`. */
  | { readonly type: 'failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly type: 'closed'; readonly id: number; readonly octetsToTls: number; readonly octetsFromTls: number }

export interface TlsRelay {
  readonly host: string
  readonly port: number
  readonly counts: () => { readonly open: number; readonly established: number; readonly failed: number }
  /** Resets what is open, stops listening, and resolves when both have happened. */
  readonly close: () => Promise<void>
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * @throws {InfraFabricError} `tls.relay.not-loopback` for a listen address outside 127.0.0.0/8 and ::1.
 * @throws {InfraFabricError} `tls.relay.listen` when the port cannot be had, `tls.relay.credentials` for PEM texts that OpenSSL refuses.
 */
export async function startTlsRelay(options: TlsRelayOptions): Promise<TlsRelay> {
  const host = options.listen?.host ?? '127.0.0.1'
  const family = isIP(host)
  if (family === 0 || !loopback.check(host, family === 6 ? 'ipv6' : 'ipv4'))
    throw new InfraFabricError('tls.relay.not-loopback', `the plain side listens on loopback addresses only, not on ${host}`)
  const connection: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    host: options.target.host,
    port: options.target.port,
    servername: options.servername ?? (isIP(options.target.host) ? '' : options.target.host),
    secureContext: secureContext(options),
    rejectUnauthorized: options.verify ?? true,
    allowHalfOpen: true
  }
  const maxConnections = options.maxConnections ?? 4096
  const open = new Map<number, { plain: Socket; secure: TLSSocket }>()
  let established = 0
  let failed = 0
  let sequence = 0
  const tell = options.onEvent ?? (() => {})

  const accept = (plain: Socket) => {
    if (open.size >= maxConnections) {
      plain.resetAndDestroy()
      return
    }
    const id = ++sequence
    const secure = connect(connection)
    secure.setNoDelay(true)
    open.set(id, { plain, secure })
    let over = false
    const fail = (code: string, message: string) => {
      if (over) return
      over = true
      failed++
      tell({ type: 'failed', id, code, message })
      plain.resetAndDestroy()
      secure.destroy()
    }
    const handshake = setTimeout(
      () => fail('tls.relay.handshake-timeout', 'no TLS handshake in time'),
      options.handshakeTimeoutMs ?? 5000
    )
    const settle = () => {
      if (!plain.destroyed || !secure.destroyed) return
      over = true
      clearTimeout(handshake)
      if (open.delete(id)) tell({ type: 'closed', id, octetsToTls: plain.bytesRead, octetsFromTls: plain.bytesWritten })
    }
    secure.once('secureConnect', () => {
      clearTimeout(handshake)
      established++
      tell({ type: 'established', id, version: secure.getProtocol() ?? '', cipher: secure.getCipher().standardName })
      secure.setTimeout(options.idleTimeoutMs ?? 600_000, () => fail('tls.relay.idle-timeout', 'nothing moved for too long'))
      plain.pipe(secure)
      secure.pipe(plain)
    })
    secure.on('error', (error) => fail(errorCode(error), error.message))
    plain.on('error', (error) => fail(errorCode(error), error.message))
    secure.on('close', () => {
      plain.destroySoon()
      settle()
    })
    plain.on('close', () => {
      secure.destroySoon()
      settle()
    })
  }

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, accept)
  server.listen(options.listen?.port ?? 0, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new InfraFabricError('tls.relay.listen', `cannot listen on ${host}:${options.listen?.port ?? 0}`, { cause: error })
  }
  return {
    host,
    port: (server.address() as AddressInfo).port,
    counts: () => ({ open: open.size, established, failed }),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const { plain, secure } of open.values()) {
        plain.resetAndDestroy()
        secure.destroy()
      }
      await closed
    }
  }
}

/** @throws {InfraFabricError} `tls.relay.credentials` */
function secureContext(options: TlsRelayOptions) {
  try {
    return createSecureContext({
      ca: options.ca,
      cert: options.certificate,
      key: options.key,
      minVersion: options.minVersion,
      maxVersion: options.maxVersion,
      ciphers: options.ciphers
    })
  } catch (error) {
    throw new InfraFabricError('tls.relay.credentials', `TLS settings cannot be used: ${(error as Error).message}`, {
      cause: error
    })
  }
}

const help = `Usage: node scripts/tls-relay.ts --target HOST:PORT [options]

Accepts TCP on a loopback port and carries each connection over TLS to HOST:PORT.

  --target HOST:PORT     the TLS listener
  --listen [HOST:]PORT   loopback address and port to accept on (127.0.0.1:0: any free port)
  --ca FILE              authorities that the listener's certificate is checked against (the system's)
  --cert FILE --key FILE client certificate and its key
  --servername NAME      name for SNI and for the certificate check (HOST)
  --insecure             accept any certificate
  --min VERSION          lowest TLS version, TLSv1 to TLSv1.3
  --max VERSION          highest TLS version
  --ciphers LIST         OpenSSL cipher list
  --idle SECONDS         reset a connection on which nothing moves (600)
  --help                 this text

The address in use is printed on stdout, what happens to connections on stderr.
Exit codes: 0 ended by SIGINT or SIGTERM, 1 could not start, 2 wrong arguments.
`

const versions: readonly string[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** Reads the command line. @throws {InfraFabricError} `tls.relay.arguments` */
function parseCommand(argv: readonly string[]): TlsRelayOptions | 'help' {
  const wrong = (message: string) => new InfraFabricError('tls.relay.arguments', message)
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  let values: Record<string, string | boolean | undefined>
  try {
    values = parseArgs({
      args: [...argv],
      options: {
        target: text,
        listen: text,
        ca: text,
        cert: text,
        key: text,
        servername: text,
        insecure: flag,
        min: text,
        max: text,
        ciphers: text,
        idle: text,
        help: flag
      }
    }).values
  } catch (error) {
    throw wrong((error as Error).message)
  }
  if (values.help) return 'help'
  const string = (name: string) => values[name] as string | undefined
  const file = (name: string) => {
    const path = string(name)
    if (path === undefined) return undefined
    try {
      return readFileSync(path)
    } catch (error) {
      throw wrong(`--${name}: ${(error as Error).message}`)
    }
  }
  const address = (name: string, defaultHost?: string) => {
    const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(string(name) ?? '')
    const host = match?.[1] ?? match?.[2] ?? defaultHost
    if (match === null || host === undefined || Number(match[3]) > 65_535) throw wrong(`--${name} must be HOST:PORT`)
    return { host, port: Number(match[3]) }
  }
  const version = (name: string) => {
    const value = string(name)
    if (value !== undefined && !versions.includes(value)) throw wrong(`--${name} must be one of ${versions.join(', ')}`)
    return value as SecureVersion | undefined
  }
  const idle = string('idle')
  if (idle !== undefined && !/^[1-9]\d{0,6}$/.test(idle)) throw wrong('--idle must be a number of seconds')
  return {
    target: address('target'),
    listen: values.listen === undefined ? {} : address('listen', '127.0.0.1'),
    ca: file('ca'),
    certificate: file('cert'),
    key: file('key'),
    servername: string('servername'),
    verify: !values.insecure,
    minVersion: version('min'),
    maxVersion: version('max'),
    ciphers: string('ciphers'),
    ...(idle === undefined ? {} : { idleTimeoutMs: Number(idle) * 1000 })
  }
}

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseCommand(argv)
    if (options === 'help') {
      process.stdout.write(help)
      return 0
    }
    const relay = await startTlsRelay({ ...options, onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`) })
    process.stdout.write(`${relay.host}:${relay.port}\n`)
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
    await relay.close()
    return 0
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return errorCode(error) === 'tls.relay.arguments' ? 2 : 1
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
