/** The admin ports: logins, frames in, frames out. Connections to applications that listen are served the same way. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { type AddressInfo, connect as connectTcp, createServer, isIP, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { type Clock, InfraFabricError, type Log } from '#kernel'
import { newId } from '../common/ids.ts'
import type { EngineCounters } from '../common/stats.ts'
import type { TlsCredentials } from '../transport/tls-contexts.ts'
import type { Application } from './application.ts'
import { type ClientMessage, parseClientMessage } from './client-message.ts'
import { encodeFrame, frameHead } from './framing.ts'
import { noReply, okReply } from './server-message.ts'

/** Where an application listens. */
export interface ApplicationAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** Connects to an application that listens, and waits for its login. @returns gives up: `joined` is not called then. */
export type Dial = (
  address: ApplicationAddress,
  verify: boolean,
  /** Null: it could not be reached, or did not log in. Returns whether the application has something to do; it is disconnected if not. */
  joined: (application: Application | null) => boolean
) => () => void

export interface AdminConfig {
  readonly address: string
  /** 0: any free port. */
  readonly port: number
  readonly secret: string
  /** A second port that speaks TLS. Client certificates are not asked for. */
  readonly tls?: AdminTlsConfig
}

export interface AdminTlsConfig extends TlsCredentials {
  /** 0: any free port. */
  readonly port: number
}

/** What a logged-in application says. */
export type ApplicationMessage = Exclude<ClientMessage, { kind: 'authenticate' | 'ping' | 'refused' }>

export interface ApplicationHandler {
  /** Fields of the login reply: SIP addresses, version, local SIP addresses. */
  readonly greeting: () => readonly string[]
  /** It has logged in. Called before any message of it. */
  readonly joined: (application: Application) => void
  readonly message: (application: Application, message: ApplicationMessage) => void
  readonly closed: (application: Application) => void
}

export interface ApplicationLink {
  /** Null where applications of this process alone are served. */
  readonly port: number | null
  /** Null without TLS. */
  readonly tlsPort: number | null
  /** Serves an application over a connection that exists. */
  readonly serve: (socket: Socket) => void
  /** Connects to an application that listens. */
  readonly dial: Dial
  readonly applications: () => number
  readonly close: () => Promise<void>
}

export interface LinkLimits {
  readonly frame: number
  readonly applications: number
  readonly loginMs: number
  /** Octets an application may leave unread before it is disconnected. */
  readonly sendQueue: number
}

/** Before login nothing longer than this is read. */
const loginFrame = 4096
/** Until a connection to an application that listens is there. */
const dialMs = 2000

/** A connection that we ended and its peer does not is cut off after so long. */
const lingerMs = 1000

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** @throws {InfraFabricError} `sip-engine.listen`, `sip-engine.tls` */
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

  /** @param dialled told once whether the application of a connection we opened has logged in; says whether it is kept. */
  const serve = (socket: Socket, dialled: ((application: Application | null) => boolean) | null = null) => {
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
      if (socket.writableLength > limits.sendQueue) {
        log.error({ queued: socket.writableLength }, 'application does not read')
        return void socket.destroy()
      }
      if (!corked) {
        corked = true
        socket.cork()
        // Everything that one round of the event loop brings goes out at once.
        setImmediate(() => {
          corked = false
          socket.uncork()
        })
      }
      socket.write(encodeFrame(meta, message))
    }

    let cancelLinger = (): void => undefined
    const end = () => {
      ended = true
      socket.end()
      cancelLinger = clock.after(lingerMs, () => socket.destroy())
    }

    const refuse = (id: string, text: string) => {
      write(noReply(newId(), id, text))
      end()
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
      // Said again it changes nothing: tags stay as they were.
      if (loggedIn !== null) return write(okReply(newId(), message.id, ...handler.greeting()))
      cancelLogin()
      loggedIn = Object.assign(application, { tags: message.tags })
      sockets.set(socket, loggedIn)
      log.info({ tags: message.tags }, 'application connected')
      write(okReply(newId(), message.id, ...handler.greeting()))
      handler.joined(loggedIn)
      const kept = dialled?.(loggedIn) ?? true
      dialled = null
      if (!kept) end()
    }

    const take = (message: ClientMessage) => {
      if (message.kind === 'refused') {
        counters.framesRefused++
        refuse(message.id, message.text)
      } else if (message.kind === 'authenticate') login(message)
      else if (loggedIn === null) {
        counters.loginsRefused++
        refuse(message.id, 'not authenticated')
      } else if (message.kind === 'ping') write(okReply(newId(), message.id, 'pong'))
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
      cancelLinger()
      sockets.delete(socket)
      application.open = false
      if (loggedIn === null) return void dialled?.(null)
      log.info('application gone')
      handler.closed(loggedIn)
    })
  }

  let accepted = 0
  const accept = (socket: Socket) => {
    if (accepted < limits.applications) {
      accepted++
      socket.once('close', () => accepted--)
      return serve(socket)
    }
    counters.loginsRefused++
    socket.destroy()
  }

  const dial: Dial = (address, verify, joined) => {
    const { host, port } = address
    let given: typeof joined | null = joined
    const socket = address.tls
      ? connectTls({ host, port, rejectUnauthorized: verify, ...(isIP(host) === 0 ? { servername: host } : {}) })
      : connectTcp({ host, port })
    const cancelDial = clock.after(dialMs, () => socket.destroy())
    socket.once(address.tls ? 'secureConnect' : 'connect', cancelDial)
    socket.once('close', cancelDial)
    serve(socket, (application) => given?.(application) ?? false)
    return () => {
      given = null
      if (sockets.get(socket) === null) socket.destroy()
    }
  }

  const servers: Server[] = []
  /** Connections under TLS, from before their handshake on. */
  const handshakes = new Set<Socket>()
  if (config !== null) {
    let tls: TlsServer | null = null
    if (config.tls !== undefined) {
      tls = tlsServer(config.tls, limits.loginMs, accept)
      tls.on('tlsClientError', (_error, socket) => {
        counters.loginsRefused++
        socket.destroy()
      })
      tls.maxConnections = limits.applications
      tls.on('connection', (socket: Socket) => {
        handshakes.add(socket)
        socket.once('close', () => handshakes.delete(socket))
      })
    }
    servers.push(await listen(config, createServer({ noDelay: true }, accept)))
    if (tls !== null && config.tls !== undefined) {
      const { port } = config.tls
      await listen({ address: config.address, port }, tls).catch((error) => {
        servers[0]!.close()
        throw error
      })
      servers.push(tls)
    }
  }
  const portOf = (server: Server | undefined): number | null =>
    server === undefined ? null : (server.address() as AddressInfo).port

  return {
    port: portOf(servers[0]),
    tlsPort: portOf(servers[1]),
    serve: (socket) => serve(socket),
    dial,
    applications: () => [...sockets.values()].filter((application) => application !== null).length,
    close: async () => {
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      for (const socket of [...sockets.keys(), ...handshakes]) socket.destroy()
      await Promise.all(closed)
    }
  }
}

/** The handshake is part of the login: it has the same time. */
function tlsServer({ key, cert }: AdminTlsConfig, handshakeTimeout: number, accept: (socket: Socket) => void): TlsServer {
  try {
    return createTlsServer({ noDelay: true, key, cert, minVersion: 'TLSv1.2', handshakeTimeout }, accept)
  } catch (error) {
    throw new InfraFabricError('sip-engine.tls', `key or certificate for applications: ${(error as Error).message}`, {
      cause: error
    })
  }
}

async function listen(at: { readonly address: string; readonly port: number }, server: Server): Promise<Server> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(at.port, at.address, () => {
      server.off('error', reject)
      resolve()
    })
  }).catch((error: Error) => {
    throw new InfraFabricError('sip-engine.listen', `cannot listen for applications: ${error.message}`, { cause: error })
  })
  return server
}
