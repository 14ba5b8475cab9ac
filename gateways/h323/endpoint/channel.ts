/** TPKT over TCP: call signalling and H.245, with limits on what a peer may send. */
import { connect, type Socket } from 'node:net'
import { type Clock, errorCode, type Log } from '#kernel'
import { type Address, plainIp } from '../gatekeeper/addresses.ts'
import { TpktSplitter, tpkt } from '../q931/tpkt.ts'

export interface ChannelLimits {
  /** Octets of a TPKT. */
  readonly messageOctets: number
  /** A TPKT that has begun must be whole in this time, ms. */
  readonly slowMs: number
  readonly messagesPerSecond: number
}

export interface ChannelHandlers {
  /** Throws to end the channel. */
  readonly message: (payload: Buffer) => void
  /** Once, when it ended otherwise than by `end`. */
  readonly closed: () => void
}

export interface Channel {
  readonly local: Address
  readonly remote: Address
  /** Lost where the channel is gone. */
  readonly send: (payload: Uint8Array) => void
  /** Closes when what was sent is out. Idempotent. */
  readonly end: () => void
}

/** Octets that may wait for a peer that does not read. */
const mostUnsent = 1 << 20
const lingerMs = 2000

/** @param socket connected */
export function openChannel(socket: Socket, limits: ChannelLimits, handlers: ChannelHandlers, clock: Clock, log: Log): Channel {
  const splitter = new TpktSplitter(limits.messageOctets)
  let isClosed = false
  let stopSlow: (() => void) | null = null
  let windowStart = clock.monotonicMs()
  let inWindow = 0
  const local = { ip: plainIp(socket.localAddress!), port: socket.localPort! }
  const remote = { ip: plainIp(socket.remoteAddress!), port: socket.remotePort! }
  const close = (): void => {
    if (isClosed) return
    isClosed = true
    stopSlow?.()
    socket.destroy()
    handlers.closed()
  }
  const refuse = (code: string): void => {
    log.info({ code }, 'h323 connection ended')
    close()
  }
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  socket.on('data', (chunk: Buffer) => {
    if (isClosed) return
    let isWhole = false
    try {
      for (const payload of splitter.push(chunk)) {
        isWhole = true
        const now = clock.monotonicMs()
        if (now - windowStart >= 1000) {
          windowStart = now
          inWindow = 0
        }
        if (++inWindow > limits.messagesPerSecond) {
          refuse('h323.channel.flooded')
          return
        }
        // an empty TPKT keeps the way through a NAT open (H.460.18)
        if (payload.length > 0) handlers.message(payload)
        if (isClosed) return
      }
    } catch (error) {
      refuse(errorCode(error))
      return
    }
    // counted from the first octet of a packet: a peer that sends one octet at a time does not gain time
    if (isWhole || splitter.pending === 0) {
      stopSlow?.()
      stopSlow = null
    }
    if (splitter.pending > 0) stopSlow ??= clock.after(limits.slowMs, () => refuse('h323.channel.slow'))
  })
  socket.on('error', () => close())
  socket.on('close', () => close())
  return {
    local,
    remote,
    send: (payload) => {
      if (isClosed) return
      socket.write(tpkt(payload))
      if (socket.writableLength > mostUnsent) refuse('h323.channel.unread')
    },
    end: () => {
      if (isClosed) return
      isClosed = true
      stopSlow?.()
      const cancel = clock.after(lingerMs, () => socket.destroy())
      socket.once('close', cancel)
      socket.end()
      socket.resume()
    }
  }
}

const connectMs = 5000

/**
 * A TCP connection; null where there is none within five seconds.
 *
 * @param ownIp an endpoint on a loopback address of its own connects from it
 */
export function connectTo({ ip, port }: Address, ownIp: string, clock: Clock, log: Log): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, ...(ownIp.startsWith('127.') && { localAddress: ownIp }) })
    const done = (result: Socket | null): void => {
      cancel()
      if (result === null) socket.destroy()
      resolve(result)
    }
    const failed = (error: Error): void => {
      log.info({ code: errorCode(error) }, 'h323 connection failed')
      done(null)
    }
    const cancel = clock.after(connectMs, () => done(null))
    // stays: an error may come before a channel is made of it
    socket.on('error', failed)
    socket.once('connect', () => done(socket))
  })
}
