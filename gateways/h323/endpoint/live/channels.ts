/** Connections of one attempt: call signalling, H.245 and the socket that waits for it. Messages come out, messages go in. */
import { createServer, type Server, type Socket } from 'node:net'
import { type Clock, errorCode, type Log } from '#kernel'
import type { Address } from '../../control/media.ts'
import { plainIp } from '../../gatekeeper/addresses.ts'
import type { MultimediaSystemControlMessage } from '../../h245/h245.ts'
import { multimediaSystemControlMessage } from '../../h245/pdus.ts'
import { decodeQ931, encodeQ931, type Q931Message } from '../../q931/q931.ts'
import { type Channel, type ChannelLimits, connectTo, openChannel } from '../channel.ts'
import type { Sealing } from '../sealing.ts'

export interface ChannelsPorts {
  readonly clock: Clock
  readonly log: Log
  readonly limits: ChannelLimits
  /** Where the endpoint listens. */
  readonly ownIp: string
  readonly sealing: Sealing | null
  /** Messages of other calls are not read. */
  readonly callReference: number
  /** @throws {DecodeError} */
  readonly received: (message: Q931Message) => void
  /** The signalling connection is gone. */
  readonly lost: () => void
  /** A message could not be read. */
  readonly unreadable: () => void
  /** Null: H.245 cannot be listened to. */
  readonly h245Listening: (address: Address | null) => void
  readonly h245Opened: () => void
  readonly h245Failed: () => void
  readonly h245Closed: () => void
  /** @throws {DecodeError} which ends the connection */
  readonly h245Received: (message: MultimediaSystemControlMessage) => void
}

export class CallChannels {
  readonly #ports: ChannelsPorts
  #signalling: Channel | null = null
  #h245: Channel | null = null
  #h245Server: Server | null = null
  #isClosed = false

  constructor(ports: ChannelsPorts) {
    this.#ports = ports
  }

  /** The other end of call signalling; null without a connection. */
  get remote(): Address | null {
    return this.#signalling?.remote ?? null
  }

  connect(address: Address): Promise<Socket | null> {
    const { ownIp, clock, log } = this.#ports
    return connectTo(address, ownIp, clock, log)
  }

  /** Call signalling over a connection that was made here. */
  open(socket: Socket): void {
    const channel: Channel = this.#openChannel(
      socket,
      (payload) => {
        if (this.#signalling === channel) this.receive(payload)
      },
      () => {
        if (this.#signalling === channel) this.#ports.lost()
      }
    )
    this.#signalling = channel
  }

  /** Call signalling over a connection that came in; who has it gives its messages to {@link receive}. */
  adopt(channel: Channel): void {
    this.#signalling = channel
  }

  receive(payload: Buffer): void {
    if (this.#isClosed) return
    const { callReference, sealing, log } = this.#ports
    try {
      const message = decodeQ931(payload)
      if (message.callReference !== callReference) return
      if (sealing !== null && !sealing.isTrusted(message)) {
        log.warn({ message: message.messageType }, 'call signalling without a right hash')
        return
      }
      this.#ports.received(message)
    } catch (error) {
      log.info({ code: errorCode(error) }, 'h323 message not understood')
      this.#ports.unreadable()
    }
  }

  send(message: Q931Message): void {
    const { sealing } = this.#ports
    this.#signalling?.send(encodeQ931(sealing === null ? message : sealing.seal(message)))
  }

  sendH245(message: MultimediaSystemControlMessage): void {
    this.#h245?.send(multimediaSystemControlMessage.encode(message))
  }

  /** @returns false when the attempt ended meanwhile */
  async listenH245(): Promise<boolean> {
    if (this.#h245Server !== null || this.#isClosed) return !this.#isClosed
    const { log, ownIp, h245Listening } = this.#ports
    const server = createServer({ pauseOnConnect: false })
    this.#h245Server = server
    server.maxConnections = 1
    server.on('connection', (socket) => {
      // only the peer itself, and only once
      const isPeer = plainIp(socket.remoteAddress ?? '') === this.#signalling?.remote.ip
      if (!isPeer || this.#h245 !== null || this.#isClosed) socket.destroy()
      else this.#openH245(socket)
    })
    const ip = this.#signalling?.local.ip ?? ownIp
    const port = await new Promise<number | null>((resolve) => {
      server.once('error', (error) => {
        log.error({ code: errorCode(error) }, 'h245 cannot be listened to')
        resolve(null)
      })
      server.listen(0, ip, () => resolve((server.address() as { port: number }).port))
    })
    if (this.#isClosed) {
      server.close()
      return false
    }
    h245Listening(port === null ? null : { ip, port })
    return !this.#isClosed
  }

  async connectH245(address: Address): Promise<void> {
    const socket = await this.connect(address)
    if (this.#isClosed || this.#h245 !== null) {
      socket?.destroy()
      return
    }
    if (socket === null) this.#ports.h245Failed()
    else this.#openH245(socket)
  }

  #openH245(socket: Socket): void {
    const { log, unreadable, h245Received, h245Closed, h245Opened } = this.#ports
    const channel: Channel = this.#openChannel(
      socket,
      (payload) => {
        if (this.#h245 !== channel) return
        let message: MultimediaSystemControlMessage
        try {
          message = multimediaSystemControlMessage.decode(payload)
        } catch (error) {
          log.info({ code: errorCode(error) }, 'h245 message not understood')
          unreadable()
          return
        }
        h245Received(message)
      },
      () => {
        if (this.#h245 === channel) h245Closed()
      }
    )
    this.#h245 = channel
    h245Opened()
  }

  #openChannel(socket: Socket, message: (payload: Buffer) => void, closed: () => void): Channel {
    const { limits, clock, log } = this.#ports
    return openChannel(socket, limits, { message, closed }, clock, log)
  }

  /** Closes all when what was sent is out. */
  close(): void {
    this.#isClosed = true
    this.#signalling?.end()
    this.#h245?.end()
    this.#h245Server?.close()
    this.#signalling = null
    this.#h245 = null
    this.#h245Server = null
  }
}
