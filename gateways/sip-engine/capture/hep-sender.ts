/** Sends what passes on the wire to a HEP3 collector (Homer). Never waits and never throws: what cannot go out in time is counted and dropped. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { connect, isIP, isIPv6, type Socket } from 'node:net'
import type { Clock, Log } from '#kernel'
import { callIdOf } from './glance.ts'
import { encodeHep, hepMaxPacket, hepSip } from './hep.ts'
import type { WireEvent } from './wire.ts'

export interface CaptureConfig {
  /** Address or name of the collector. */
  readonly address: string
  /** Default 9060. */
  readonly port?: number
  /** Default udp. TCP carries messages of any size that HEP allows, and is opened again when it breaks. */
  readonly transport?: 'udp' | 'tcp'
  /** By which the collector knows this server: 1 to 4,294,967,295. */
  readonly agentId: number
  readonly authKey?: string
  readonly nodeName?: string
  /** Packets that may wait. Default 1024. */
  readonly queue?: number
}

export interface CaptureCounters {
  sent: number
  /** Dropped because so many wait already. */
  queueFull: number
  /** Dropped because a packet cannot hold them. */
  tooLarge: number
  /** Not taken by the network, or by the collector's host. */
  failed: number
}

export interface HepSender {
  readonly observe: (event: WireEvent) => void
  readonly counters: Readonly<CaptureCounters>
  readonly close: () => Promise<void>
}

const defaultPort = 9060
const defaultQueue = 1024
/** Octets of a text chunk. */
const mostText = 128
/** Characters of a Call-ID that are shown; received octets are Latin-1 characters here, two octets each at most. */
const mostCorrelation = 256
/** Octets of a packet that are not the message, at most. */
const margin = 1024
/** Largest payload of a UDP datagram over IPv4. */
const maxDatagram = 65_507
/** Octets the TCP connection to the collector may hold before packets wait. */
const tcpHighWater = 1_048_576
const reconnectMs = { first: 500, most: 30_000 }
const ipProtocol = { tcp: 6, udp: 17 } as const

interface Carrier {
  /** False: no room. */
  readonly send: (packet: Buffer) => boolean
  readonly maxPacket: number
  readonly close: () => Promise<void>
}

export function createHepSender(config: CaptureConfig, clock: Clock, log: Log): HepSender {
  const counters: CaptureCounters = { sent: 0, queueFull: 0, tooLarge: 0, failed: 0 }
  const carrier = (config.transport === 'tcp' ? tcpCarrier : udpCarrier)(config, counters, clock, log)
  return {
    counters,
    observe: (event) => {
      const [local, remote] = oneFamily(event.local, event.remote)
      const [source, destination] = event.direction === 'in' ? [remote, local] : [local, remote]
      const correlationId = callIdOf(event.bytes)?.slice(0, mostCorrelation)
      if (event.bytes.length > carrier.maxPacket - margin) {
        counters.tooLarge++
        return
      }
      const packet = encodeHep({
        protocol: event.transport === 'udp' ? ipProtocol.udp : ipProtocol.tcp,
        source,
        destination,
        atMicros: Math.floor(event.at * 1000),
        protocolType: hepSip,
        agentId: config.agentId,
        ...(config.authKey === undefined ? {} : { authKey: config.authKey }),
        ...(config.nodeName === undefined ? {} : { nodeName: config.nodeName }),
        ...(correlationId === undefined ? {} : { correlationId }),
        payload: event.bytes
      })
      if (!carrier.send(packet)) counters.queueFull++
    },
    close: carrier.close
  }
}

/** Everything that is wrong with it, each with its path; empty when nothing is. */
export function captureProblems(config: CaptureConfig | undefined): string[] {
  if (config === undefined) return []
  const problems: string[] = []
  const whole = (value: number, least: number, most: number): boolean =>
    Number.isInteger(value) && value >= least && value <= most
  if (config.address === '') problems.push('capture.address: an address or name')
  if (!whole(config.port ?? defaultPort, 1, 65_535)) problems.push('capture.port: 1 to 65535')
  if (!whole(config.agentId, 1, 0xffff_ffff)) problems.push('capture.agentId: 1 to 4294967295')
  if (!whole(config.queue ?? defaultQueue, 1, 1_000_000)) problems.push('capture.queue: 1 to 1000000')
  for (const key of ['authKey', 'nodeName'] as const) {
    if (Buffer.byteLength(config[key] ?? '') > mostText) problems.push(`capture.${key}: at most ${mostText} octets`)
  }
  return problems
}

type Place = { readonly address: string; readonly port: number }

/** Both with addresses of one family: a name (of `advertise`) is shown as the unspecified address, IPv4 beside IPv6 as mapped. */
function oneFamily(local: Place, remote: Place): [Place, Place] {
  const shown = (place: Place, six: boolean): Place => {
    const family = isIP(place.address)
    if (family === 0) return { address: six ? '::' : '0.0.0.0', port: place.port }
    return six && family === 4 ? { address: `::ffff:${place.address}`, port: place.port } : place
  }
  const six = isIPv6(local.address) || isIPv6(remote.address)
  return [shown(local, six), shown(remote, six)]
}

function udpCarrier(config: CaptureConfig, counters: CaptureCounters, clock: Clock, log: Log): Carrier {
  const most = config.queue ?? defaultQueue
  let waiting = 0
  let connected = false
  const early: Buffer[] = []
  const socket: DatagramSocket = createSocket(isIPv6(config.address) ? 'udp6' : 'udp4')
  socket.unref()
  let closed = false
  let cancelRetry: (() => void) | undefined
  const transmit = (packet: Buffer): void => {
    waiting++
    socket.send(packet, (error) => {
      waiting--
      if (error) counters.failed++
      else counters.sent++
    })
  }
  socket.on('error', (error) => {
    counters.failed++
    log.debug({ error: error.message }, 'capture: collector refuses')
  })
  // A connected socket looks the name up once, and hears when nobody listens.
  const attach = (): void =>
    socket.connect(config.port ?? defaultPort, config.address, (...[error]: unknown[]) => {
      if (closed) return
      if (error instanceof Error) {
        log.error({ error: error.message, collector: config.address }, 'capture: no way to the collector')
        cancelRetry = clock.after(reconnectMs.most, attach)
        return
      }
      connected = true
      for (const packet of early.splice(0)) transmit(packet)
    })
  attach()
  return {
    maxPacket: maxDatagram,
    send: (packet) => {
      if (closed || waiting + early.length >= most) return false
      if (connected) transmit(packet)
      else early.push(packet)
      return true
    },
    close: () => {
      if (closed) return Promise.resolve()
      closed = true
      cancelRetry?.()
      return new Promise((resolve) => socket.close(() => resolve()))
    }
  }
}

function tcpCarrier(config: CaptureConfig, counters: CaptureCounters, clock: Clock, log: Log): Carrier {
  const most = config.queue ?? defaultQueue
  const queue: Buffer[] = []
  let socket: Socket | undefined
  let connected = false
  let closed = false
  let pauseMs = reconnectMs.first
  let cancelRetry: (() => void) | undefined

  const flush = (): void => {
    if (socket === undefined || !connected) return
    let written = 0
    while (written < queue.length && socket.writableLength < tcpHighWater) {
      socket.write(queue[written++]!, (error) => {
        if (error) counters.failed++
        else counters.sent++
      })
    }
    queue.splice(0, written)
  }

  const open = (): void => {
    cancelRetry = undefined
    const opening = connect({ host: config.address, port: config.port ?? defaultPort, noDelay: true })
    socket = opening
    opening.unref()
    opening.setTimeout(5000, () => {
      if (!connected) opening.destroy(new Error('collector does not answer'))
    })
    opening.on('connect', () => {
      connected = true
      pauseMs = reconnectMs.first
      opening.setTimeout(0)
      flush()
    })
    opening.on('drain', flush)
    opening.resume()
    opening.on('error', (error) => log.debug({ error: error.message }, 'capture: connection failed'))
    opening.on('close', () => {
      connected = false
      if (closed) return
      cancelRetry = clock.after(pauseMs, open)
      pauseMs = Math.min(2 * pauseMs, reconnectMs.most)
    })
  }
  open()

  return {
    maxPacket: hepMaxPacket,
    send: (packet) => {
      if (closed || queue.length >= most) return false
      queue.push(packet)
      flush()
      return true
    },
    close: () => {
      closed = true
      cancelRetry?.()
      const open = socket
      if (open === undefined || open.destroyed) return Promise.resolve()
      return new Promise((resolve) => {
        open.once('close', () => resolve())
        open.end()
        if (!connected) open.destroy()
        else clock.after(500, () => open.destroy())
      })
    }
  }
}
