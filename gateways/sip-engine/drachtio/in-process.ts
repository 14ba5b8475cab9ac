/** The application link without a socket: two ends in one process, and drachtio-srf made to take one of them. */
import net, { Socket } from 'node:net'
import { InfraFabricError } from '#kernel'

/** An `Srf` of drachtio-srf. */
export interface InProcessApplication {
  readonly connect: (options: {
    readonly host: string
    readonly port: number
    readonly secret: string
    readonly reconnect: { readonly maxAttempts: number }
  }) => unknown
}

/**
 * One end of a pair. It is a `Socket` because drachtio-srf tells sockets by their class. What is written arrives at the other end behind the
 * running code, as it does from a network: drachtio-srf notes what it has asked only after it has written it.
 */
class InProcessSocket extends Socket {
  #other: InProcessSocket | null = null
  #queue: Buffer[] = []
  #ending = false

  static pair(): [InProcessSocket, InProcessSocket] {
    const pair: [InProcessSocket, InProcessSocket] = [new InProcessSocket(), new InProcessSocket()]
    pair[0].#other = pair[1]
    pair[1].#other = pair[0]
    return pair
  }

  override write(chunk: string | Uint8Array, encodingOrWritten?: unknown, written?: (error?: Error | null) => void): boolean {
    if (this.destroyed || this.#ending) return false
    this.#queue.push(typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    if (this.#queue.length === 1) process.nextTick(() => this.#flush())
    const done = typeof encodingOrWritten === 'function' ? encodingOrWritten : written
    if (done !== undefined) process.nextTick(done)
    return true
  }

  override end(): this {
    this.#ending = true
    process.nextTick(() => {
      this.#flush()
      this.#other?.destroy()
      this.destroy()
    })
    return this
  }

  override destroy(error?: Error): this {
    super.destroy(error)
    const other = this.#other
    this.#other = null
    this.#queue = []
    if (other !== null && !other.destroyed) process.nextTick(() => other.destroy())
    return this
  }

  #flush(): void {
    const queue = this.#queue
    this.#queue = []
    for (const chunk of queue) {
      const other = this.#other
      if (other === null || other.destroyed) return
      other.emit('data', chunk)
    }
  }
}

/**
 * Joins an application of this process: it does everything that it does with a server elsewhere, login and routes included.
 *
 * drachtio-srf offers no way to be handed a connection in its client mode, so `net.connect` gives it ours while `srf.connect` runs, which is
 * at once and lets no other code run.
 *
 * @returns our end.
 * @throws {InfraFabricError} `sip-engine.in-process` when the application did not ask for a connection.
 */
export function joinInProcess(application: InProcessApplication, secret: string): Socket {
  const [ours, theirs] = InProcessSocket.pair()
  const { connect } = net
  let taken = false
  net.connect = () => {
    taken = true
    return theirs
  }
  try {
    application.connect({ host: 'in-process', port: 0, secret, reconnect: { maxAttempts: 1 } })
  } finally {
    net.connect = connect
  }
  if (!taken)
    throw new InfraFabricError('sip-engine.in-process', 'the application did not connect: is it a drachtio-srf instance?')
  process.nextTick(() => theirs.emit('connect'))
  return ours
}
