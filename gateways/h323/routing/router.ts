/**
 * Gatekeeper-routed call signalling: a SETUP that comes here goes to where the gatekeeper admitted its call to, and what both sides say afterwards goes
 * through. H.245 that is tunnelled goes through with it; a channel of its own is between the endpoints.
 *
 * @see H.323 §8.1.2, §8.1.5 (gatekeeper-routed signalling)
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { type Clock, errorCode, InfraFabricError, type Log, systemClock } from '#kernel'
import { type Address, addressOfText, plainIp, textOfAddress, transportAddressOf } from '../gatekeeper/addresses.ts'
import type { H323UserInformation, ReleaseCompleteReason } from '../h225/h225.ts'
import { decodeQ931, encodeQ931, type Q931Message, userInformationOf, withUserInformation } from '../q931/q931.ts'
import { type Connection, type ConnectionLimits, overSocket } from './connection.ts'

/** What the gatekeeper knows of an admitted call. */
export interface AdmittedRoute {
  /** Where the called endpoint takes calls. */
  readonly destination: string
  /** Addresses the caller may call from. */
  readonly callers: readonly string[]
}

export interface RouterConfig {
  /** Port 0 takes a free one. */
  readonly listen: Address
  /** By call identifier in hex; null for a call that was not admitted. */
  readonly admitted: (call: string) => AdmittedRoute | null
  /** A call whose signalling ended without being released: the gatekeeper asks both ends to leave it. */
  readonly lost: (call: string) => void
  readonly log: Log
  readonly clock?: Clock
  readonly limits?: Partial<RouterLimits>
}

export interface RouterLimits extends ConnectionLimits {
  /** Calls at a time. Default 1000. */
  readonly calls: number
  /** Connections that have not brought a SETUP yet. Default 50. */
  readonly pending: number
}

export interface RouterStats {
  readonly routed: number
  readonly active: number
  /** By why: `not-admitted`, `not-the-caller`, `unreachable`, `malformed`, `busy`. */
  readonly refused: Readonly<Record<string, number>>
  readonly messages: number
}

export interface Router {
  readonly address: Address
  readonly stats: () => RouterStats
  /** Ends every routed call. Idempotent. */
  readonly close: () => Promise<void>
}

const defaults: RouterLimits = {
  calls: 1000,
  pending: 50,
  messageOctets: 32_768,
  slowMs: 5000,
  messagesPerSecond: 200,
  backlogOctets: 1 << 20
}
const connectMs = 4000

interface Route {
  readonly call: string
  readonly caller: Connection
  callee: Connection | null
  readonly callerReference: number
  readonly calleeReference: number
  /** What the caller says before the callee's connection is there. */
  readonly waiting: Buffer[]
  released: boolean
}

/** @throws {InfraFabricError} `h323.routing.bind` */
export async function createRouter(config: RouterConfig): Promise<Router> {
  const { log, admitted, lost } = config
  const clock = config.clock ?? systemClock
  const limits: RouterLimits = { ...defaults, ...config.limits }
  const routes = new Set<Route>()
  const sockets = new Set<Socket>()
  const counters = { routed: 0, messages: 0, refused: {} as Record<string, number> }
  let pending = 0
  let closing: Promise<void> | null = null

  const server = createServer({ noDelay: true }, (socket) => {
    if (pending >= limits.pending || closing !== null) {
      socket.destroy()
      return
    }
    track(socket)
    pending++
    let route: Route | null = null
    const begun = (): void => {
      if (route === null) pending--
    }
    const cancelFirst = clock.after(limits.slowMs, () => socket.destroy())
    const connection = overSocket(socket, limits, clock, {
      message: (payload) => {
        if (route !== null) return fromCaller(route, payload)
        cancelFirst()
        begun()
        route = open(connection, payload)
        if (route === null) {
          // counted as pending until it is closed
          pending++
          connection.end()
        }
      },
      closed: () => {
        cancelFirst()
        if (route === null) pending--
        else gone(route, 'caller')
      }
    })
  })

  function track(socket: Socket): void {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  }

  function refuse(connection: Connection, setup: Q931Message, why: string, reason: ReleaseCompleteReason): null {
    counters.refused[why] = (counters.refused[why] ?? 0) + 1
    connection.send(releaseOf(setup.callReference, true, reason))
    return null
  }

  /** Takes the first message of a connection. */
  function open(caller: Connection, payload: Buffer): Route | null {
    let setup: Q931Message
    let information: H323UserInformation | undefined
    try {
      setup = decodeQ931(payload)
      information = userInformationOf(setup)
    } catch {
      counters.refused.malformed = (counters.refused.malformed ?? 0) + 1
      return null
    }
    const body = information?.['h323-uu-pdu']['h323-message-body']
    // 0 is the reference of no call (Q.931 §4.3)
    const isCall = !setup.callReferenceFlag && setup.callReference !== 0
    if (setup.messageType !== 'setup' || information === undefined || body?.type !== 'setup' || !isCall) {
      counters.refused.malformed = (counters.refused.malformed ?? 0) + 1
      return null
    }
    if (routes.size >= limits.calls) return refuse(caller, setup, 'busy', { type: 'gatekeeperResources' })
    const call = Buffer.from((body.value.callIdentifier ?? { guid: body.value.conferenceID }).guid).toString('hex')
    const route = admitted(call)
    if (route === null) return refuse(caller, setup, 'not-admitted', { type: 'callerNotRegistered' })
    const host = plainIp(caller.remote)
    const isCaller = route.callers.some((address) => addressOfText(address)?.ip === host)
    if (!isCaller) return refuse(caller, setup, 'not-the-caller', { type: 'securityDenied' })
    if ([...routes].some((other) => other.call === call)) return refuse(caller, setup, 'busy', { type: 'newConnectionNeeded' })
    const destination = addressOfText(route.destination)!
    const opened: Route = {
      call,
      caller,
      callee: null,
      callerReference: setup.callReference,
      calleeReference: randomInt(1, 0x7fff),
      waiting: [],
      released: false
    }
    const there: H323UserInformation = {
      ...information,
      'h323-uu-pdu': {
        ...information['h323-uu-pdu'],
        'h323-message-body': { type: 'setup', value: { ...body.value, destCallSignalAddress: transportAddressOf(destination) } }
      }
    }
    opened.waiting.push(encodeQ931({ ...withUserInformation(setup, there), callReference: opened.calleeReference }))
    routes.add(opened)
    counters.routed++
    void reach(opened, setup, destination)
    return opened
  }

  async function reach(route: Route, setup: Q931Message, destination: Address): Promise<void> {
    const socket = createConnection({ host: destination.ip, port: destination.port, noDelay: true })
    track(socket)
    const cancel = clock.after(connectMs, () =>
      socket.destroy(new InfraFabricError('h323.routing.timeout', 'not reached in time'))
    )
    try {
      await once(socket, 'connect')
    } catch (error) {
      log.info({ call: route.call, code: errorCode(error), to: textOfAddress(destination) }, 'called endpoint not reached')
      refuse(route.caller, setup, 'unreachable', { type: 'unreachableDestination' })
      route.released = true
      route.caller.end()
      return
    } finally {
      cancel()
    }
    if (!routes.has(route) || route.released) {
      socket.destroy()
      return finish(route)
    }
    route.callee = overSocket(socket, limits, clock, {
      message: (payload) => fromCallee(route, payload),
      closed: () => gone(route, 'callee')
    })
    for (const payload of route.waiting.splice(0)) route.callee.send(payload)
  }

  /** The same message under the other side's call reference; null for what is of no call of this connection. */
  function carried(payload: Buffer, from: number, to: number): { octets: Buffer; isRelease: boolean } | null {
    let message: Q931Message
    try {
      message = decodeQ931(payload)
    } catch {
      return null
    }
    if (message.callReference !== from) return null
    counters.messages++
    return { octets: encodeQ931({ ...message, callReference: to }), isRelease: message.messageType === 'releaseComplete' }
  }

  function fromCaller(route: Route, payload: Buffer): void {
    const message = carried(payload, route.callerReference, route.calleeReference)
    if (message === null) return
    route.released ||= message.isRelease
    if (route.callee === null) {
      if (route.waiting.length < limits.messagesPerSecond) route.waiting.push(message.octets)
      return
    }
    route.callee.send(message.octets)
    if (message.isRelease) finish(route)
  }

  function fromCallee(route: Route, payload: Buffer): void {
    const message = carried(payload, route.calleeReference, route.callerReference)
    if (message === null) return
    route.released ||= message.isRelease
    route.caller.send(message.octets)
    if (message.isRelease) finish(route)
  }

  function finish(route: Route): void {
    route.caller.end()
    route.callee?.end()
  }

  /** A side's connection is gone: the other side is told, unless the call was released. */
  function gone(route: Route, side: 'caller' | 'callee'): void {
    if (!routes.delete(route)) return
    if (!route.released) {
      route.released = true
      const reason = { type: 'undefinedReason' } as const
      if (side === 'caller') route.callee?.send(releaseOf(route.calleeReference, false, reason))
      else route.caller.send(releaseOf(route.callerReference, true, reason))
      lost(route.call)
    }
    finish(route)
  }

  server.listen({ host: config.listen.ip, port: config.listen.port })
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new InfraFabricError('h323.routing.bind', `cannot take call signalling on ${textOfAddress(config.listen)}`, { cause })
  }
  const bound = server.address() as { address: string; port: number }

  return {
    address: { ip: plainIp(bound.address), port: bound.port },
    stats: () => ({ ...counters, refused: { ...counters.refused }, active: routes.size }),
    close: () => {
      closing ??= (async () => {
        const closed = once(server, 'close')
        server.close()
        for (const route of [...routes]) gone(route, 'callee')
        for (const socket of sockets) socket.destroySoon()
        await closed
      })()
      return closing
    }
  }
}

/** @param callReferenceFlag true toward the side that chose the call reference */
function releaseOf(callReference: number, callReferenceFlag: boolean, reason: ReleaseCompleteReason): Buffer {
  return encodeQ931(
    withUserInformation(
      { callReference, callReferenceFlag, messageType: 'releaseComplete', elements: [] },
      {
        'h323-uu-pdu': {
          'h323-message-body': { type: 'releaseComplete', value: { protocolIdentifier: '0.0.8.2250.0.7', reason } },
          h245Tunneling: false
        }
      }
    )
  )
}
