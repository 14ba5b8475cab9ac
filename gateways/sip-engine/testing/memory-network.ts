/** A network in memory, moved by a clock: engines and test peers attach to addresses and exchange datagrams or stream messages. */
import type { Clock } from '#kernel'
import type { Destination, Endpoint, Flow, Listener, TransportEvents, TransportName, TransportPort } from '../transport/port.ts'

export interface NetworkOptions {
  readonly delayMs?: number
  /** Whether a message is lost on its way. */
  readonly lose?: (bytes: Buffer, from: Endpoint, to: Endpoint) => boolean
  /** How often a message arrives: 1 by default. */
  readonly copies?: () => number
  /** Added to the delay of one message, so that messages overtake each other. */
  readonly jitterMs?: () => number
}

export interface PeerSocket extends Endpoint {
  readonly send: (text: string, to: Endpoint) => void
  readonly received: { readonly text: string; readonly from: Endpoint; readonly atMs: number }[]
  readonly close: () => void
}

export interface MemoryNetwork {
  /** A transport port for an engine with one listener. */
  readonly port: (listener: Listener, events: () => TransportEvents) => TransportPort
  /** A bare endpoint; line ends in what it sends may be LF. */
  readonly peer: (
    transport: TransportName,
    address: string,
    port: number,
    arrived?: (text: string, from: Endpoint) => void
  ) => PeerSocket
  /** Messages carried so far. */
  readonly carried: () => number
}

type Arrive = (bytes: Buffer, from: Endpoint) => void

export function createMemoryNetwork(clock: Clock, options: NetworkOptions = {}): MemoryNetwork {
  const hosts = new Map<string, Arrive>()
  const key = (transport: TransportName, at: Endpoint): string => `${transport}|${at.address}|${at.port}`
  let carried = 0

  const carry = (
    transport: TransportName,
    from: Endpoint,
    to: Endpoint,
    bytes: Buffer,
    refused: (error: Error) => void
  ): void => {
    if (transport !== 'udp' && !hosts.has(key(transport, to))) {
      clock.after(options.delayMs ?? 1, () => refused(new Error('connection refused')))
      return
    }
    const copies = options.copies?.() ?? 1
    for (let copy = 0; copy < copies; copy++) {
      if (options.lose?.(bytes, from, to)) continue
      clock.after((options.delayMs ?? 1) + (options.jitterMs?.() ?? 0), () => {
        carried++
        hosts.get(key(transport, to))?.(bytes, from)
      })
    }
  }

  return {
    carried: () => carried,
    port: (listener, events) => {
      hosts.set(key(listener.transport, listener), (bytes, remote) => {
        const flow: Flow = { listener, remote, connection: listener.transport === 'udp' ? 0 : 1 }
        events().message(bytes, flow)
      })
      return {
        listeners: [listener],
        reply: (flow, _fallback, bytes, failed) => carry(listener.transport, listener, flow.remote, bytes, failed),
        send: (_listener, destination: Destination, bytes, failed) =>
          carry(destination.transport, listener, destination, bytes, failed),
        sendOnFlow: (flow, bytes, failed) => carry(listener.transport, listener, flow.remote, bytes, failed),
        isOpen: (flow) => listener.transport === 'udp' || hosts.has(key(listener.transport, flow.remote)),
        alias: () => undefined
      }
    },
    peer: (transport, address, port, arrived) => {
      const here = { address, port }
      const received: { text: string; from: Endpoint; atMs: number }[] = []
      hosts.set(key(transport, here), (bytes, from) => {
        const text = bytes.toString('latin1')
        received.push({ text, from, atMs: clock.monotonicMs() })
        arrived?.(text, from)
      })
      return {
        ...here,
        received,
        send: (text, to) => carry(transport, here, to, Buffer.from(text.replace(/\r?\n/g, '\r\n'), 'latin1'), () => undefined),
        close: () => void hosts.delete(key(transport, here))
      }
    }
  }
}
