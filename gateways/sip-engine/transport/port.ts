/** What the engine asks of its transports, and what they tell it. A test puts a network in memory behind the same port. */
export type TransportName = 'udp' | 'tcp' | 'tls'

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface Listener extends Endpoint {
  readonly transport: TransportName
}

/** The path a message came on: answers go back on it. */
export interface Flow {
  /** Listener it belongs to; for a connection we opened, the listener that stands in Via and Contact. */
  readonly listener: Listener
  readonly remote: Endpoint
  /** Identifies the connection of a stream transport; 0 for UDP. */
  readonly connection: number
}

export interface Destination extends Endpoint {
  readonly transport: TransportName
  /** Name that was looked up: what a TLS server's certificate must show. Absent where the URI had an address. */
  readonly name?: string
}

/** Called at most once, when octets could not be handed to the network. Not called: they went out, as far as this host can tell. */
export type SendFailed = (error: Error) => void

export interface TransportPort {
  readonly listeners: readonly Listener[]
  /** Sends a response on the flow of its request; over a new connection to `fallback` where the connection is gone. */
  readonly reply: (flow: Flow, fallback: Endpoint, bytes: Buffer, failed: SendFailed) => void
  /** Sends a request; an open connection to the destination is used again. */
  readonly send: (listener: Listener, destination: Destination, bytes: Buffer, failed: SendFailed) => void
}

export interface TransportEvents {
  /** One whole message, or a datagram that may be one. */
  readonly message: (bytes: Buffer, flow: Flow) => void
  /** A message on a stream whose body is larger than allowed: its header section, for an answer. The connection is dropped behind it. */
  readonly oversized: (head: Buffer, flow: Flow) => void
  /** Octets dropped without a message, by reason: for counting. */
  readonly dropped: (reason: DropReason) => void
}

export type DropReason = 'streamFraming' | 'streamStalled' | 'tooManyConnections' | 'tlsHandshake' | 'socketError'

export interface TransportLimits {
  /** Header section of a message on a stream, octets. */
  readonly headerSection: number
  /** Body of a message on a stream, octets. */
  readonly body: number
  readonly connections: number
  readonly connectionsPerAddress: number
  /** A connection on which nothing came for so long is closed. */
  readonly idleMs: number
  /** A message must be whole so long after its first octet. */
  readonly messageMs: number
  readonly handshakeMs: number
  readonly connectMs: number
  /** Octets waiting to be sent on one connection before it is given up. */
  readonly sendQueue: number
}

export const defaultTransportLimits: TransportLimits = {
  headerSection: 65_536,
  body: 1_048_576,
  connections: 4096,
  connectionsPerAddress: 2048,
  idleMs: 600_000,
  messageMs: 10_000,
  handshakeMs: 5000,
  connectMs: 5000,
  sendQueue: 4_194_304
}
