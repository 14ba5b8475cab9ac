/** Open connections of the stream transports, and which of them a request may use. */
import type { Destination, Endpoint, Flow, Listener, PeerIdentity, SendFailed, TransportName } from './port.ts'

/** One connection, whatever carries its octets. */
export interface Channel {
  readonly write: (bytes: Buffer, failed: SendFailed) => void
  readonly usable: () => boolean
  readonly destroy: () => void
}

export interface Connection {
  readonly id: number
  readonly flow: Flow & { identity?: PeerIdentity | null }
  readonly channel: Channel
  /** Name its peer has proved by certificate when we opened it; null for those we accepted, and without TLS. */
  readonly dialledName: string | null
  readonly keys: Set<string>
  /** Calls for messages that wait until it is open; null once it is. */
  waiting: Waiting[] | null
}

export interface Waiting {
  readonly bytes: Buffer
  readonly failed: SendFailed
}

export interface Connections {
  readonly add: (parts: {
    readonly listener: Listener
    readonly remote: Endpoint
    readonly identity: PeerIdentity | null
    readonly channel: Channel
    readonly dialledName: string | null
    readonly opening: boolean
  }) => Connection
  readonly remove: (connection: Connection) => void
  /** Notes who the peer of a connection we opened has proved to be. */
  readonly identify: (connection: Connection, identity: PeerIdentity | null) => void
  readonly get: (id: number) => Connection | undefined
  /** The connection a request to this destination may go over. */
  readonly find: (destination: Destination) => Connection | undefined
  /** Makes a connection findable by another port of its peer. */
  readonly alias: (connection: Connection, port: number) => void
  readonly all: () => Iterable<Connection>
  readonly size: () => number
}

const maxAliases = 4

export function createConnections(): Connections {
  const byId = new Map<number, Connection>()
  const byRemote = new Map<string, Connection>()
  let nextId = 1

  const index = (connection: Connection, port: number): void => {
    const { listener, remote } = connection.flow
    const key = remoteKey(listener.transport, { address: remote.address, port })
    connection.keys.add(key)
    byRemote.set(key, connection)
  }

  return {
    add: ({ listener, remote, identity, channel, dialledName, opening }) => {
      const id = nextId++
      const flow: Flow = { listener, remote, connection: id, identity }
      const connection: Connection = { id, flow, channel, dialledName, keys: new Set(), waiting: opening ? [] : null }
      byId.set(id, connection)
      index(connection, remote.port)
      return connection
    },
    remove: (connection) => {
      byId.delete(connection.id)
      for (const key of connection.keys) if (byRemote.get(key) === connection) byRemote.delete(key)
    },
    identify: (connection, identity) => {
      connection.flow.identity = identity
    },
    get: (id) => byId.get(id),
    find: (destination) => {
      const connection = byRemote.get(remoteKey(destination.transport, destination))
      if (connection === undefined || !connection.channel.usable()) return undefined
      return speaksFor(connection, destination.name) ? connection : undefined
    },
    alias: (connection, port) => {
      const { listener, identity } = connection.flow
      if (listener.transport !== 'tls' || !identity?.authorized || connection.keys.size >= maxAliases) return
      if (byRemote.get(remoteKey('tls', { address: connection.flow.remote.address, port }))?.channel.usable()) return
      index(connection, port)
    },
    all: () => byId.values(),
    size: () => byId.size
  }
}

/**
 * Whether the peer of a connection is the one that was asked for: where a name was looked up and the transport is secure, its certificate
 * must show that name.
 *
 * @see RFC 5923 §9.1
 */
function speaksFor({ flow, dialledName }: Connection, name: string | undefined): boolean {
  if (name === undefined || flow.listener.transport !== 'tls') return true
  if (dialledName !== null) return dialledName === name.toLowerCase()
  return flow.identity?.authorized === true && flow.identity.domains.includes(name.toLowerCase())
}

function remoteKey(transport: TransportName, remote: Endpoint): string {
  return `${transport}|${remote.address}|${remote.port}`
}
