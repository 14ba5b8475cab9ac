import type { WebSocket } from 'ws'
import type { Clock } from '#kernel'

/** Ends a socket that does not answer a ping (RFC 6455 §5.5.2) before the next. @returns stops it */
export function keepAlive(socket: WebSocket, clock: Clock, everyMs: number): () => void {
  let alive = true
  let stop = () => {}
  const ping = () => {
    if (!alive) {
      socket.terminate()
      return
    }
    alive = false
    socket.ping()
    stop = clock.after(everyMs, ping)
  }
  stop = clock.after(everyMs, ping)
  socket.on('pong', () => {
    alive = true
  })
  return () => stop()
}
