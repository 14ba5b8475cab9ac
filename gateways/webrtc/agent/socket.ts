/** A WebSocket to the council's service that is opened anew when it is lost. */
import { WebSocket } from 'ws'
import type { PageSignal, ServiceSignal } from '#webrtc'

export interface SocketPorts {
  /** What is said first, each time. */
  readonly hello: () => PageSignal
  readonly take: (signal: ServiceSignal) => void
  readonly state: (state: 'connected' | 'lost') => void
  /** It was tried too often. */
  readonly gaveUp: () => void
}

const pausesMs = [250, 1000, 2000, 4000]
const mostAttempts = 20
const openMs = 10_000
/** The service pings every 10 s. */
const silentMs = 25_000
/** Larger than any signal of the service: a context with all it may hold. */
const largestSignal = 4 << 20

/** A WebSocket to the page's service. @param ca certificates that are trusted beside the system's */
export function openWebSocket(url: URL, path: string, subprotocol: string, ca: string | null, maxPayload: number): WebSocket {
  const { protocol, host, origin } = url
  return new WebSocket(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}${path}`, subprotocol, {
    origin,
    handshakeTimeout: openMs,
    maxPayload,
    perMessageDeflate: false,
    ...(ca === null ? {} : { ca })
  })
}

export class AgentSocket {
  readonly #url: URL
  readonly #ca: string | null
  readonly #ports: SocketPorts
  #socket: WebSocket | null = null
  #attempt = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(url: URL, ca: string | null, ports: SocketPorts) {
    this.#url = url
    this.#ca = ca
    this.#ports = ports
    this.#open()
  }

  /** What is said while there is no connection is lost. */
  say(signal: PageSignal): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(signal))
  }

  /** Resolves when the service has closed the connection, or after `mostMs`. */
  async drained(mostMs: number): Promise<void> {
    const socket = this.#socket
    if (socket === null || socket.readyState === WebSocket.CLOSED) return
    this.#closed = true
    socket.close()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, mostMs)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.terminate()
  }

  #open(): void {
    const socket = openWebSocket(this.#url, '/signals', 'council.1', this.#ca, largestSignal)
    this.#socket = socket
    const watch = () => {
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => socket.terminate(), silentMs)
    }
    socket.on('open', () => {
      this.#attempt = 0
      watch()
      socket.send(JSON.stringify(this.#ports.hello()))
      this.#ports.state('connected')
    })
    socket.on('ping', watch)
    socket.on('message', (data) => {
      watch()
      if (this.#closed) return
      let signal: ServiceSignal
      try {
        signal = JSON.parse(data.toString())
      } catch {
        // whoever answers there is not the service, or no longer
        socket.terminate()
        return
      }
      this.#ports.take(signal)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(this.#timer)
      if (this.#closed) return
      this.#ports.state('lost')
      if (this.#attempt >= mostAttempts) {
        this.#closed = true
        this.#ports.gaveUp()
        return
      }
      this.#timer = setTimeout(() => this.#open(), pausesMs[Math.min(this.#attempt++, pausesMs.length - 1)])
    })
  }
}
