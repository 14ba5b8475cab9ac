/**
 * A bad network between two UDP endpoints, on 127.0.0.1: loss, delay, jitter, reordering and duplicates from the first to the second; the way back is left
 * alone. Packets are told apart by direction alone, so that one proxy carries one stream.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Endpoint } from '../latch.ts'
import { type Impairment, impair } from './impairment.ts'

export interface UdpProxy {
  /** Where the first endpoint sends. */
  readonly port: number
  /** What has come from the first endpoint, and what of it was lost. */
  readonly counts: { readonly came: number; readonly lost: number }
  /** Packets that are still on their way are lost. Idempotent. */
  readonly close: () => void
}

async function open(): Promise<Socket> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, '127.0.0.1', resolve)
  })
  socket.removeAllListeners('error').on('error', () => undefined)
  return socket
}

/** Most packets on their way at once: more are lost, as on a full link. */
const room = 10_000

export async function openUdpProxy(target: Endpoint, impairment: Impairment, seed = 1): Promise<UdpProxy> {
  const [near, far] = [await open(), await open()]
  const fate = impair(impairment, seed)
  const counts = { came: 0, lost: 0 }
  const onTheirWay = new Set<NodeJS.Timeout>()
  let from: RemoteInfo | null = null
  let closed = false
  let lastDueMs = 0
  const pass = (packet: Buffer) => far.send(packet, target.port, target.address, () => undefined)
  near.on('message', (packet, source) => {
    from = source
    counts.came++
    const delays = onTheirWay.size < room ? fate() : []
    if (delays.length === 0) counts.lost++
    const nowMs = performance.now()
    for (const delayMs of delays) {
      // Reordered packets are those that wait longer than the spacing; jitter alone keeps their order.
      const dueMs = impairment.reorder === undefined ? Math.max(lastDueMs, nowMs + delayMs) : nowMs + delayMs
      lastDueMs = dueMs
      if (dueMs <= nowMs) {
        pass(packet)
        continue
      }
      const timer = setTimeout(() => {
        onTheirWay.delete(timer)
        pass(packet)
      }, dueMs - nowMs)
      onTheirWay.add(timer)
    }
  })
  far.on('message', (packet) => {
    if (from !== null) near.send(packet, from.port, from.address, () => undefined)
  })
  return {
    port: near.address().port,
    counts,
    close: () => {
      if (closed) return
      closed = true
      for (const timer of onTheirWay) clearTimeout(timer)
      near.close()
      far.close()
    }
  }
}
