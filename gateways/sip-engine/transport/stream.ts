/** A TCP or TLS socket as a channel of SIP messages, with bounds on how slowly its peer may write and read. */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Clock, InfraFabricError } from '#kernel'
import type { Channel } from './connections.ts'
import type { DropReason, TransportLimits } from './port.ts'
import { createStreamFramer } from './stream-framer.ts'

export interface StreamEvents {
  readonly message: (bytes: Buffer) => void
  readonly oversized: (head: Buffer) => void
  readonly dropped: (reason: DropReason) => void
}

const pong = Buffer.from('\r\n')
const ignored = (): void => undefined
/** An unfinished message is looked at so often within its time. */
const looks = 2

/** Reads messages from a socket; what cannot be read on, or stalls, closes it. */
export function readStream(socket: Socket, channel: Channel, limits: TransportLimits, clock: Clock, events: StreamEvents): void {
  const framer = createStreamFramer(limits)
  const watch = watchMessage(limits, clock, () => {
    events.dropped('streamStalled')
    socket.destroy()
  })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  socket.setTimeout(limits.idleMs, () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    watch.octets(chunk.length)
    let pinged = false
    for (const item of framer.push(chunk)) {
      watch.done()
      if (item.type === 'message') events.message(item.bytes)
      else if (item.type === 'ping') pinged = true
      else if (item.type === 'oversized') {
        events.oversized(item.head)
        socket.end()
        // Half closed is not closed: what the peer goes on writing is read and forgotten for as long as a message may take.
        watch.begun()
      } else {
        events.dropped('streamFraming')
        socket.destroy()
      }
    }
    if (framer.unfinished() > 0) watch.begun()
    // One for all that came together: who floods us with pings and reads no pong gains nothing.
    if (pinged) channel.write(pong, ignored)
  })
  socket.on('close', watch.done)
}

interface MessageWatch {
  readonly begun: () => void
  readonly octets: (count: number) => void
  readonly done: () => void
}

/** Calls `stalled` when a message that has begun is not whole in time, or grows too slowly to become so. */
function watchMessage(limits: TransportLimits, clock: Clock, stalled: () => void): MessageWatch {
  const everyMs = limits.messageMs / looks
  const least = (limits.minimumRate * everyMs) / 1000
  let cancel: (() => void) | undefined
  let look = 0
  let grown = 0
  const next = (): void => {
    grown = 0
    cancel = clock.after(everyMs, () => {
      look++
      if (look === looks || grown < least) stalled()
      else next()
    })
  }
  return {
    begun: () => {
      if (cancel !== undefined) return
      look = 0
      next()
    },
    octets: (count) => {
      grown += count
    },
    done: () => {
      cancel?.()
      cancel = undefined
    }
  }
}

/**
 * A peer that does not read: what waits for it is bounded in octets and in time.
 *
 * @returns called before each write; false when the channel has been given up.
 */
export function watchReader(
  socket: Duplex,
  limits: TransportLimits,
  clock: Clock,
  dropped: (reason: DropReason) => void
): () => boolean {
  let cancel: (() => void) | undefined
  const giveUp = (): void => {
    if (socket.destroyed) return
    dropped('slowReader')
    socket.destroy()
  }
  const read = (): void => {
    cancel?.()
    cancel = undefined
  }
  socket.on('drain', read)
  socket.on('close', read)
  return () => {
    if (socket.writableLength > limits.sendQueue) {
      giveUp()
      return false
    }
    if (socket.writableNeedDrain) cancel ??= clock.after(limits.drainMs, giveUp)
    return true
  }
}

export function socketChannel(
  socket: Socket,
  limits: TransportLimits,
  clock: Clock,
  dropped: (reason: DropReason) => void
): Channel {
  const reads = watchReader(socket, limits, clock, dropped)
  return {
    write: (bytes, failed) => {
      if (!reads()) return failed(new InfraFabricError('sip-engine.send-queue', 'peer does not read'))
      socket.write(bytes, (error) => {
        if (error) failed(error)
      })
    },
    usable: () => !socket.destroyed && !socket.writableEnded,
    destroy: () => socket.destroy()
  }
}
