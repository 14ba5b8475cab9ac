/** The admin port: logins, frames in, frames out. */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type Clock, InfraFabricError, type Log } from '#kernel'
import { type ClientMessage, parseClientMessage } from '../protocol/client-message.ts'
import { encodeFrame, frameHead } from '../protocol/framing.ts'
import { noReply, okReply } from '../protocol/server-message.ts'
import type { Application } from './application.ts'
import type { EngineCounters } from './stats.ts'

export interface AdminConfig {
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  readonly secret: string
}

/** What a logged-in application says. */
export type ApplicationMessage = Exclude<ClientMessage, { kind: 'authenticate' | 'ping' | 'refused' }>

export interface ApplicationHandler {
  /** Fields of the login reply: SIP addresses, version, local SIP addresses. */
  readonly greeting: () => readonly string[]
  readonly message: (application: Application, message: ApplicationMessage) => void
  readonly closed: (application: Application) => void
}

export interface ApplicationLink {
  /** Null where applications of this process alone are served. */
  readonly port: number | null
  /** Serves an application over a connection that exists. */
  readonly serve: (socket: Socket) => void
  readonly applications: () => number
  readonly close: () => Promise<void>
}

export interface LinkLimits {
  readonly frame: number
  readonly applications: number
  readonly loginMs: number
}

/** Before login nothing longer than this is read. */
const loginFrame = 4096
/** Octets an application may leave unread before it is given up. */
const sendQueue = 67_108_864

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** @throws {InfraFabricError} `sip-engine.listen` */
export async function openApplicationLink(parts: {
  /** Null: no port is opened. */
  readonly config: AdminConfig | null
  readonly secret: string
  readonly limits: LinkLimits
  readonly clock: Clock
  readonly log: Log
  readonly counters: EngineCounters
  readonly handler: ApplicationHandler
}): Promise<ApplicationLink> {
  const { config, limits, clock, counters, handler } = parts
  const secret = digest(parts.secret)
  const sockets = new Map<Socket, Application | null>()
  let nextId = 1

  const serve = (socket: Socket) => {
    const log = parts.log.child({ application: nextId })
    const application: Application = { id: nextId++, tags: [], open: true, send: (meta, message) => write(meta, message) }
    let loggedIn: Application | null = null
    let pending: Buffer = Buffer.alloc(0)
    let needed = 1
    let ended = false
    let corked = false
    sockets.set(socket, null)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 1000)

    const write = (meta: string, message?: Uint8Array): void => {
      if (socket.destroyed || socket.writableEnded) return
      if (socket.writableLength > sendQueue) {
        log.error({ queued: socket.writableLength }, 'application does not read')
        return void socket.destroy()
      }
      if (!corked) {
        corked = true
        socket.cork()
        process.nextTick(() => {
          corked = false
          socket.uncork()
        })
      }
      socket.write(encodeFrame(meta, message))
    }

    const refuse = (id: string, text: string): void => {
      ended = true
      write(noReply(randomUUID(), id, text))
      socket.end()
    }

    const cancelLogin = clock.after(limits.loginMs, () => {
      counters.loginsRefused++
      socket.destroy()
    })

    const login = (message: Extract<ClientMessage, { kind: 'authenticate' }>) => {
      if (!timingSafeEqual(digest(message.secret), secret)) {
        counters.loginsRefused++
        log.warn('application refused: incorrect secret')
        return refuse(message.id, 'incorrect secret')
      }
      cancelLogin()
      loggedIn = Object.assign(application, { tags: message.tags })
      sockets.set(socket, loggedIn)
      log.info({ tags: message.tags }, 'application connected')
      write(okReply(randomUUID(), message.id, ...handler.greeting()))
    }

    const take = (message: ClientMessage) => {
      if (message.kind === 'refused') {
        counters.framesRefused++
        refuse(message.id, message.text)
      } else if (message.kind === 'authenticate') login(message)
      else if (loggedIn === null) {
        counters.loginsRefused++
        refuse(message.id, 'not authenticated')
      } else if (message.kind === 'ping') write(okReply(randomUUID(), message.id, 'pong'))
      else handler.message(loggedIn, message)
    }

    const read = () => {
      let at = 0
      while (!ended) {
        const head = frameHead(pending, at, loggedIn === null ? loginFrame : limits.frame)
        if (head === undefined) {
          needed = pending.length - at + 1
          break
        }
        if (head.end > pending.length) {
          needed = head.end - at
          break
        }
        take(parseClientMessage(pending.subarray(head.start, head.end)))
        at = head.end
      }
      pending = pending.subarray(at)
    }

    let chunks: Buffer[] = []
    let held = 0
    socket.on('data', (chunk: Buffer) => {
      if (ended) return
      chunks.push(chunk)
      held += chunk.length
      if (pending.length + held < needed) return
      pending = pending.length === 0 && chunks.length === 1 ? chunk : Buffer.concat([pending, ...chunks])
      chunks = []
      held = 0
      try {
        read()
      } catch (error) {
        counters.framesRefused++
        log.warn({ error: (error as Error).message }, 'application link broken')
        socket.destroy()
      }
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      cancelLogin()
      sockets.delete(socket)
      application.open = false
      if (loggedIn === null) return
      log.info('application gone')
      handler.closed(loggedIn)
    })
  }

  const server = config === null ? null : await listen(config, limits.applications, serve)

  return {
    port: server === null ? null : (server.address() as AddressInfo).port,
    serve,
    applications: () => [...sockets.values()].filter((application) => application !== null).length,
    close: async () => {
      const closed = server === null ? undefined : new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets.keys()) socket.destroy()
      await closed
    }
  }
}

async function listen(config: AdminConfig, applications: number, serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, serve)
  server.maxConnections = applications
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.address, () => {
      server.off('error', reject)
      resolve()
    })
  }).catch((error: Error) => {
    throw new InfraFabricError('sip-engine.listen', `cannot listen for applications: ${error.message}`, { cause: error })
  })
  return server
}
