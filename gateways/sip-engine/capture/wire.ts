/** Shows every SIP message on the wire, both ways, as often as it passes: for captures, metrics and tests. */
import type { Clock, Log } from '#kernel'
import type { Endpoint, Flow, TransportEvents, TransportName, TransportPort } from '../transport/port.ts'

/** A message as it came, or as it is handed to the network, retransmissions included. */
export interface WireEvent {
  readonly direction: 'in' | 'out'
  readonly transport: TransportName
  /** Our side: what stands in Via, which may be a name where `advertise` is one. */
  readonly local: Endpoint
  readonly remote: Endpoint
  /** The message itself, no copy: not to be written to. An incoming datagram may be anything. */
  readonly bytes: Buffer
  /** Wall clock, milliseconds since 1970, with fractions. */
  readonly at: number
}

export type WireObserver = (event: WireEvent) => void

type Sent = Pick<TransportPort, 'reply' | 'send' | 'sendOnFlow'>
type Received = Pick<TransportEvents, 'message' | 'oversized'>

export interface WireTap {
  /** What is sent through the result is shown first. */
  readonly sent: (port: Sent) => Sent
  /** What comes in is shown before it is handled; of an oversized message its header section is all there is. */
  readonly received: (events: Received) => Received
}

/** An observer that throws so often is not asked again. */
const faultsAllowed = 10

/** An observer that throws harms neither the call nor the other observers: the fault is logged, and ten of them retire it. */
export function createWireTap(observers: readonly WireObserver[], clock: Clock, log: Log): WireTap {
  const active = observers.map((observe) => ({ observe, faults: 0 }))
  const offset = clock.now() - clock.monotonicMs()

  const wallMs = (): number => {
    const wall = clock.now()
    const precise = clock.monotonicMs() + offset
    return Math.abs(precise - wall) > 50 ? wall : precise
  }

  const show = (
    direction: WireEvent['direction'],
    transport: TransportName,
    local: Endpoint,
    remote: Endpoint,
    bytes: Buffer
  ): void => {
    const event: WireEvent = { direction, transport, local, remote, bytes, at: wallMs() }
    for (let at = 0; at < active.length; at++) {
      const each = active[at]!
      try {
        each.observe(event)
      } catch (error) {
        each.faults++
        log.error({ err: error, retired: each.faults === faultsAllowed }, 'wire observer failed')
        if (each.faults === faultsAllowed) active.splice(at--, 1)
      }
    }
  }

  const came = (bytes: Buffer, { listener, remote }: Flow): void => show('in', listener.transport, listener, remote, bytes)

  return {
    sent: (port) => ({
      reply: (flow, fallback, bytes, failed) => {
        show('out', flow.listener.transport, flow.listener, flow.remote, bytes)
        port.reply(flow, fallback, bytes, failed)
      },
      send: (listener, destination, bytes, failed) => {
        show('out', destination.transport, listener, destination, bytes)
        port.send(listener, destination, bytes, failed)
      },
      sendOnFlow: (flow, bytes, failed) => {
        show('out', flow.listener.transport, flow.listener, flow.remote, bytes)
        port.sendOnFlow(flow, bytes, failed)
      }
    }),
    received: (events) => ({
      message: (bytes, flow) => {
        came(bytes, flow)
        events.message(bytes, flow)
      },
      oversized: (head, flow) => {
        came(head, flow)
        events.oversized(head, flow)
      }
    })
  }
}
