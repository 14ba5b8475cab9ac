/** Transports on loopback, and bare peers for them. */
import { connect, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import { systemClock } from '#kernel'
import type { ListenConfig } from '../listen-config.ts'
import { type DropReason, defaultTransportLimits, type Flow, type TransportLimits } from '../port.ts'
import { openTransports, type Transports } from '../transports.ts'

export interface Opened {
  readonly transports: Transports
  readonly port: number
  readonly messages: { text: string; flow: Flow }[]
  readonly oversized: string[]
  readonly dropped: DropReason[]
}

export async function open(
  t: ExecutionContext,
  listen: readonly Partial<ListenConfig>[],
  change: Partial<TransportLimits> = {}
): Promise<Opened> {
  const messages: Opened['messages'] = []
  const oversized: string[] = []
  const dropped: DropReason[] = []
  const transports = await openTransports(
    listen.map((each) => ({ transport: 'udp', address: '127.0.0.1', port: 0, ...each })),
    { ...defaultTransportLimits, ...change },
    systemClock,
    {
      message: (bytes, flow) => messages.push({ text: bytes.toString(), flow }),
      oversized: (head) => oversized.push(head.toString()),
      dropped: (reason) => dropped.push(reason)
    }
  )
  t.teardown(() => transports.close())
  return { transports, port: transports.listeners[0]!.port, messages, oversized, dropped }
}

export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
}

export interface Client {
  readonly socket: Socket
  readonly received: () => string
  readonly closed: () => boolean
}

/** Watches a socket; it is destroyed behind the test. */
export function watched(t: ExecutionContext, socket: Socket): Client {
  let text = ''
  let closed = false
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('close', () => {
    closed = true
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return { socket, received: () => text, closed: () => closed }
}

export async function client(t: ExecutionContext, port: number, host = '127.0.0.1'): Promise<Client> {
  const socket = connect(port, host)
  const peer = watched(t, socket)
  await new Promise((resolve) => socket.once('connect', resolve))
  return peer
}

/** A request as far as transports read it. */
export const message = (body = '', extra = ''): string =>
  `OPTIONS sip:h SIP/2.0\r\nContent-Length: ${body.length}\r\n${extra}\r\n${body}`
