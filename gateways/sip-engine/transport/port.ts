/** What the engine asks of its transports, and what they tell it. A test puts a network in memory behind the same port. */
export type TransportName = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss'

interface TransportTraits {
  /** Where a URI or Via names none: RFC 3261 §19.1.2, RFC 7118 §5.4. */
  readonly defaultPort: number
  readonly reliable: boolean
  /** Inside TLS. */
  readonly secure: boolean
  /** Whether we open connections of it. A WebSocket is opened by the client alone. */
  readonly dialled: boolean
}

export const transportTraits: Readonly<Record<TransportName, TransportTraits>> = {
  udp: { defaultPort: 5060, reliable: false, secure: false, dialled: true },
  tcp: { defaultPort: 5060, reliable: true, secure: false, dialled: true },
  tls: { defaultPort: 5061, reliable: true, secure: true, dialled: true },
  ws: { defaultPort: 80, reliable: true, secure: false, dialled: false },
  wss: { defaultPort: 443, reliable: true, secure: true, dialled: false }
}

export function isTransportName(text: string): text is TransportName {
  return Object.hasOwn(transportTraits, text)
}

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface Listener extends Endpoint {
  readonly transport: TransportName
}

/** Who the peer of a TLS connection says it is, by its certificate. */
export interface PeerIdentity {
  /** Whether an authority we trust vouches for the certificate. The rest is a claim where it is false. */
  readonly authorized: boolean
  /** SIP domains of the certificate, lower case. @see RFC 5922 §7.1 */
  readonly domains: readonly string[]
  readonly subject: string
  /** SHA-256 of the certificate, hex with colons. */
  readonly fingerprint256: string
}

/** The path a message came on: answers go back on it. */
export interface Flow {
  /** Listener it belongs to; for a connection we opened, the listener that stands in Via and Contact. */
  readonly listener: Listener
  readonly remote: Endpoint
  /** Identifies the connection of a stream transport; 0 for UDP. */
  readonly connection: number
  /** Null on transports without TLS, and for a peer that showed no certificate. Absent from networks that know none. */
  readonly identity?: PeerIdentity | null
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
  /** Sends on this flow and no other: fails where its connection is gone. */
  readonly sendOnFlow: (flow: Flow, bytes: Buffer, failed: SendFailed) => void
  /** Whether a flow can still carry messages; one of UDP always can, for all that is known here. */
  readonly isOpen: (flow: Flow) => boolean
  /**
   * Requests to the peer's address and this port may go over the connection it opened. Only heeded where TLS has proved who the peer is.
   *
   * @see RFC 5923 §8
   */
  readonly alias: (flow: Flow, port: number) => void
}

export interface TransportEvents {
  /** One whole message, or a datagram that may be one. */
  readonly message: (bytes: Buffer, flow: Flow) => void
  /**
   * A message on a stream whose end cannot be found or whose body is larger than allowed: its header section, for an answer. The connection
   * is dropped behind it.
   */
  readonly oversized: (head: Buffer, flow: Flow) => void
  /** Octets dropped without a message, by reason: for counting. */
  readonly dropped: (reason: DropReason) => void
}

export type DropReason =
  | 'streamFraming'
  | 'streamStalled'
  | 'tooManyConnections'
  | 'tooManyHandshakes'
  | 'tlsHandshake'
  | 'webSocketHandshake'
  | 'webSocketProtocol'
  | 'slowReader'
  | 'socketError'

export interface TransportLimits {
  /** A larger request goes over TCP instead of UDP, where there is a TCP listener. @see RFC 3261 §18.1.1 */
  readonly datagram: number
  /** Header section of a message on a stream, octets. */
  readonly headerSection: number
  /** Body of a message on a stream, octets. */
  readonly body: number
  readonly connections: number
  /** For an IPv6 peer its /64 counts as one address, here and below. */
  readonly connectionsPerAddress: number
  /** Connections whose TLS or WebSocket handshake is under way. */
  readonly handshakes: number
  /** New handshakes a second that one address may begin, after a first burst of twice as many. */
  readonly handshakesPerSecond: number
  /** A connection on which nothing came for so long is closed. */
  readonly idleMs: number
  /** A message must be whole so long after its first octet. */
  readonly messageMs: number
  /** An unfinished message must grow by so many octets a second. */
  readonly minimumRate: number
  readonly handshakeMs: number
  readonly connectMs: number
  /** Octets waiting to be sent on one connection before it is given up. */
  readonly sendQueue: number
  /** A peer must have read what waits for it so soon. */
  readonly drainMs: number
  /** A WebSocket is pinged so often, and closed when a ping is not answered before the next. */
  readonly pingMs: number
}

export const defaultTransportLimits: TransportLimits = {
  datagram: 1300,
  headerSection: 65_536,
  body: 1_048_576,
  connections: 4096,
  connectionsPerAddress: 2048,
  handshakes: 512,
  handshakesPerSecond: 200,
  idleMs: 600_000,
  messageMs: 10_000,
  minimumRate: 64,
  handshakeMs: 5000,
  connectMs: 5000,
  sendQueue: 4_194_304,
  drainMs: 20_000,
  pingMs: 30_000
}
