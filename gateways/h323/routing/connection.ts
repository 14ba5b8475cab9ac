/** TPKTs over one TCP connection, with limits of time and size. */
import type { Socket } from 'node:net'
import { type Clock, errorCode } from '#kernel'
import { TpktSplitter, tpkt } from '../q931/q931.ts'

export interface ConnectionLimits {
  /** Octets of a TPKT. */
  readonly messageOctets: number
  /** A TPKT that has begun must be whole in this time, ms. */
  readonly slowMs: number
  /** Messages a second. */
  readonly messagesPerSecond: number
  /** Octets that wait to be sent to a peer that does not read. */
  readonly backlogOctets: number
}

export interface Connection {
  readonly remote: string
  readonly send: (payload: Uint8Array) => void
  /** Sends what waits, then closes. */
  readonly end: () => void
}

interface Listener {
  readonly message: (payload: Buffer) => void
  /** Once, whoever closed it. */
  readonly closed: (reason: string) => void
}

/** How long a peer may take to close its half, ms. */
const lingerMs = 2000

export function overSocket(socket: Socket, limits: ConnectionLimits, clock: Clock, listener: Listener): Connection {
  const splitter = new TpktSplitter(limits.messageOctets)
  let isOver = false
  let cancelSlow: (() => void) | null = null
  let second = 0
  let messages = 0

  const over = (reason: string): void => {
    if (isOver) return
    isOver = true
    cancelSlow?.()
    socket.destroy()
    listener.closed(reason)
  }
  const counted = (): boolean => {
    const now = Math.floor(clock.monotonicMs() / 1000)
    messages = now === second ? messages + 1 : 1
    second = now
    return messages <= limits.messagesPerSecond
  }

  socket.setNoDelay(true)
  socket.on('data', (chunk: Buffer) => {
    let payloads: Buffer[]
    try {
      payloads = splitter.push(chunk)
    } catch (error) {
      return over(errorCode(error))
    }
    for (const payload of payloads) {
      if (isOver) return
      // none is the keep-alive of H.460.18
      if (payload.length === 0) continue
      if (!counted()) return over('h323.routing.flood')
      listener.message(payload)
    }
    if (isOver) return
    if (splitter.pending === 0) {
      cancelSlow?.()
      cancelSlow = null
    } else cancelSlow ??= clock.after(limits.slowMs, () => over('h323.routing.slow'))
  })
  socket.on('end', () => over('closed'))
  socket.on('close', () => over('closed'))
  socket.on('error', (error) => over(errorCode(error)))

  return {
    remote: socket.remoteAddress ?? '',
    send: (payload) => {
      if (isOver || !socket.writable) return
      socket.write(tpkt(payload))
      if (socket.writableLength > limits.backlogOctets) over('h323.routing.backlog')
    },
    end: () => {
      if (isOver) return
      socket.end()
      cancelSlow?.()
      cancelSlow = clock.after(lingerMs, () => over('lingered'))
    }
  }
}
