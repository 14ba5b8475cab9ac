/**
 * RAS of an endpoint on a socket of its own: requests are repeated until they are answered, answers are given again where their request comes again.
 */
import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Clock, errorCode, InfraFabricError, type Log } from '#kernel'
import { type Address, plainIp } from '../gatekeeper/addresses.ts'
import type { RasMessage } from '../h225/h225.ts'
import { rasMessage } from '../h225/pdus.ts'
import type { RasSealing } from './ras-sealing.ts'

type Numbered = Extract<RasMessage, { readonly value: { readonly requestSeqNum: number } }>

/** H.225.0 table 18: seconds until a request is repeated, and how often. */
const patience = {
  gatekeeperRequest: { ms: 3000, tries: 3 },
  registrationRequest: { ms: 3000, tries: 3 },
  unregistrationRequest: { ms: 1500, tries: 2 },
  admissionRequest: { ms: 3000, tries: 3 },
  disengageRequest: { ms: 2000, tries: 3 }
} as const
type Asked = keyof typeof patience

/** What a gatekeeper asks of an endpoint. */
export type GatekeeperRequest = Extract<
  RasMessage,
  { readonly type: 'unregistrationRequest' | 'disengageRequest' | 'infoRequest' | 'bandwidthRequest' }
>
export type EndpointRequest = Numbered & { readonly type: Asked }

export interface RasChannel {
  readonly address: Address
  /** Number of the next request. */
  readonly nextNumber: () => number
  /** Sends a request until it is answered; null when it is not. */
  readonly ask: (request: EndpointRequest, to: Address) => Promise<RasMessage | null>
  /** Sends what needs no answer. */
  readonly tell: (message: RasMessage, to: Address) => void
  /** What was asked is answered by nobody then. */
  readonly close: () => Promise<void>
}

export interface RasChannelOptions {
  readonly bindIp: string
  readonly sealing: RasSealing
  readonly clock: Clock
  readonly log: Log
  /** Whether who sends this is listened to. */
  readonly isExpected: (message: RasMessage, from: Address) => boolean
  readonly onRequest: (request: GatekeeperRequest, respond: (answer: RasMessage) => void) => void
}

/** Longest that a RIP makes us wait, ms, and how many make us wait for one answer. */
const longestProgressMs = 60_000
const mostProgress = 10
/** Answers that are sent again when their request comes again. */
const mostAnswers = 16
const mostOctets = 8192

interface Pending {
  readonly tries: number
  readonly octets: Buffer
  readonly to: Address
  readonly settle: (answer: RasMessage | null) => void
  left: number
  progressLeft: number
  readonly attempt: () => void
  cancel: () => void
}

/** @throws {InfraFabricError} `h323.ras.bind` */
export async function openRasChannel(options: RasChannelOptions): Promise<RasChannel> {
  const { sealing, clock, log, isExpected, onRequest } = options
  const socket: Socket = createSocket(options.bindIp.includes(':') ? 'udp6' : 'udp4')
  try {
    socket.bind(0, options.bindIp)
    await once(socket, 'listening')
  } catch (cause) {
    throw new InfraFabricError('h323.ras.bind', `RAS cannot be opened on ${options.bindIp}`, { cause })
  }
  const { address, port } = socket.address()
  const pending = new Map<number, Pending>()
  const answers: { readonly request: Buffer; readonly answer: Buffer }[] = []
  let lastNumber = randomInt(1, 60_000)

  function transmit(octets: Buffer, to: Address): void {
    socket.send(octets, to.port, to.ip, (error) => {
      if (error !== null) log.debug({ code: errorCode(error) }, 'ras socket')
    })
  }

  /** Sends a request until it is answered; null when it is not. */
  function ask(message: EndpointRequest, to: Address): Promise<RasMessage | null> {
    const { ms, tries } = patience[message.type]
    const number = message.value.requestSeqNum
    return new Promise((resolve) => {
      const entry: Pending = {
        tries,
        octets: sealing.encode(message),
        to,
        left: tries,
        progressLeft: mostProgress,
        cancel: () => {},
        attempt: () => {
          if (entry.left-- === 0) {
            entry.settle(null)
            return
          }
          transmit(entry.octets, to)
          entry.cancel = clock.after(ms, entry.attempt)
        },
        settle: (answer) => {
          entry.cancel()
          pending.delete(number)
          resolve(answer)
        }
      }
      pending.set(number, entry)
      entry.attempt()
    })
  }

  socket.on('error', (error) => log.debug({ code: errorCode(error) }, 'ras socket'))
  socket.on('message', (octets, from) => {
    if (octets.length > mostOctets) return
    const source: Address = { ip: plainIp(from.address), port: from.port }
    let message: RasMessage
    try {
      message = rasMessage.decode(octets)
    } catch (error) {
      log.debug({ code: errorCode(error) }, 'no ras message')
      return
    }
    if (!isExpected(message, source)) return
    // without a hash a repeated request is simply done again
    const before = sealing.isOn ? answers.find(({ request }) => request.equals(octets)) : undefined
    if (before !== undefined) {
      transmit(before.answer, source)
      return
    }
    if (!sealing.isTrusted(octets, message)) {
      log.warn({ message: message.type }, 'ras message without a right hash')
      return
    }
    receive(message, source, octets)
  })

  /** Answers a request of the gatekeeper, and again where the answer was lost and the request comes again. */
  function respond(request: Buffer, message: RasMessage, to: Address): void {
    const answer = sealing.encode(message)
    answers.push({ request, answer })
    if (answers.length > mostAnswers) answers.shift()
    transmit(answer, to)
  }

  function receive(message: RasMessage, from: Address, octets: Buffer): void {
    switch (message.type) {
      case 'requestInProgress': {
        const entry = pending.get(message.value.requestSeqNum)
        if (entry === undefined || entry.progressLeft-- === 0) return
        // until then the request is not repeated; afterwards it is, as from the beginning
        entry.cancel()
        entry.left = entry.tries
        entry.cancel = clock.after(Math.min(message.value.delay, longestProgressMs), entry.attempt)
        return
      }
      case 'unregistrationRequest':
      case 'disengageRequest':
      case 'infoRequest':
      case 'bandwidthRequest':
        onRequest(message, (answer) => respond(octets, answer, from))
        return
      default: {
        if (!('value' in message) || !('requestSeqNum' in message.value)) return
        pending.get(message.value.requestSeqNum as number)?.settle(message)
      }
    }
  }

  return {
    address: { ip: plainIp(address), port },
    nextNumber: () => {
      lastNumber = lastNumber >= 65_535 ? 1 : lastNumber + 1
      return lastNumber
    },
    ask,
    tell: (message, to) => transmit(sealing.encode(message), to),
    close: async () => {
      for (const entry of [...pending.values()]) entry.settle(null)
      await new Promise<void>((resolve) => socket.close(() => resolve()))
    }
  }
}
