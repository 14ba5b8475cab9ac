import { isIP } from 'node:net'
import { isTransportName, type TransportName, transportTraits } from './port.ts'
import { createTlsContexts, type TlsContexts, type TlsSource } from './tls-contexts.ts'

export interface ListenConfig {
  readonly transport: TransportName
  /** IPv4 or IPv6 address of this host; it stands in Via and Contact, so that a wildcard needs `advertise`. */
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  /** Host that stands in Via and Contact in place of `address`. */
  readonly advertise?: string
  /** For `tls` and `wss`. */
  readonly tls?: TlsSource
  /** For `ws` and `wss`. */
  readonly webSocket?: WebSocketConfig
  /** For `udp`: octets the system keeps for us while we are busy. Default 4 MiB; the system may grant less. */
  readonly receiveBuffer?: number
}

export interface WebSocketConfig {
  /**
   * Pages that may connect, as browsers write them in Origin: `https://phone.example.com`. Clients that are no browser send none and are let
   * in. Default: every page.
   *
   * @see RFC 6455 §10.2
   */
  readonly origins?: readonly string[]
}

/** Everything that is wrong with the listeners, each with its path; empty when nothing is. */
export function listenProblems(listen: readonly ListenConfig[]): string[] {
  const problems: string[] = []
  if (listen.length === 0) problems.push('listen: at least one listener is needed')
  const taken = new Map<string, number>()
  for (const [index, each] of listen.entries()) {
    const path = `listen[${index}]`
    const known = isTransportName(each.transport)
    if (!known) problems.push(`${path}.transport: udp, tcp, tls, ws or wss`)
    if (isIP(each.address) === 0) problems.push(`${path}.address: an IPv4 or IPv6 address without brackets`)
    if (!isPort(each.port)) problems.push(`${path}.port: 0 to 65535`)
    if ((each.address === '0.0.0.0' || each.address === '::') && each.advertise === undefined) {
      problems.push(`${path}.advertise: needed with a wildcard address, for Via and Contact`)
    }
    if (each.advertise !== undefined && !isHost(each.advertise)) {
      problems.push(`${path}.advertise: a host name or address without brackets or port`)
    }
    const socket = `${each.transport === 'udp' ? 'udp' : 'tcp'} ${each.address} ${each.port}`
    const other = taken.get(socket)
    if (each.port !== 0 && other !== undefined) problems.push(`${path}.port: taken by listen[${other}]`)
    taken.set(socket, index)
    if (known && transportTraits[each.transport].secure) problems.push(...tlsProblems(each.tls, `${path}.tls`))
    else if (each.tls !== undefined) problems.push(`${path}.tls: only for tls and wss`)
    if (each.webSocket !== undefined && each.transport !== 'ws' && each.transport !== 'wss') {
      problems.push(`${path}.webSocket: only for ws and wss`)
    }
    for (const [place, origin] of (each.webSocket?.origins ?? []).entries()) {
      if (!/^[a-z][a-z0-9+.-]*:\/\/[^/\s]+$/i.test(origin)) {
        problems.push(`${path}.webSocket.origins[${place}]: scheme://host[:port] without a path`)
      }
    }
    const { receiveBuffer } = each
    if (receiveBuffer !== undefined && !(Number.isInteger(receiveBuffer) && receiveBuffer >= 4096)) {
      problems.push(`${path}.receiveBuffer: a whole number of octets from 4096`)
    }
  }
  return problems
}

function tlsProblems(source: TlsSource | undefined, path: string): string[] {
  if (source === undefined) return [`${path}: key and cert are needed`]
  let contexts: TlsContexts
  try {
    contexts = createTlsContexts(source)
  } catch (error) {
    return [`${path}: ${(error as Error).message}`]
  }
  const { key, cert, names = [], clientCertificate = 'none' } = contexts.config()
  const problems: string[] = []
  if (key === undefined || cert === undefined) problems.push(`${path}: key and cert are needed`)
  for (const [index, each] of names.entries()) {
    if (each.key === undefined || each.cert === undefined) problems.push(`${path}.names[${index}]: key and cert are needed`)
    if (!isHost(each.host.replace(/^\*\./, ''))) problems.push(`${path}.names[${index}].host: a host name or *.domain`)
  }
  if (!['none', 'request', 'require'].includes(clientCertificate)) {
    problems.push(`${path}.clientCertificate: none, request or require`)
  }
  return problems
}

function isHost(text: string): boolean {
  return isIP(text) !== 0 || /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/i.test(text)
}

export function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 65_535
}
