import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { AliasAddress, EndpointType, RasMessage } from '../../h225/h225.ts'
import { rasMessage } from '../../h225/pdus.ts'
import { type Address, aliasOfKey, keyOfText, transportAddressOf } from '../addresses.ts'

type Of<T extends RasMessage['type']> = Extract<RasMessage, { type: T }> extends { readonly value: infer V } ? V : never

/** A small RAS endpoint: sends what it is told to and waits for what comes. */
export interface RasClient {
  readonly address: Address
  /** Sends to another gatekeeper from now on. */
  readonly target: (gatekeeper: Address) => void
  /** Next request number. */
  readonly seq: () => number
  readonly send: (message: RasMessage) => void
  readonly sendOctets: (octets: Uint8Array) => void
  /** Sends and gives the next message that comes. */
  readonly ask: (message: RasMessage) => Promise<RasMessage>
  readonly askOctets: (octets: Uint8Array) => Promise<Buffer>
  /** The next message, or one that came already. */
  readonly next: () => Promise<RasMessage>
  /** Datagrams that came and were not taken. */
  readonly waiting: () => number
  readonly close: () => void
}

const patienceMs = 10_000

/** @param multicastFrom address of the interface through which it sends to groups */
export async function openRasClient(first: Address, multicastFrom?: string): Promise<RasClient> {
  const socket: Socket = createSocket('udp4')
  const came: Buffer[] = []
  const wanted: ((octets: Buffer) => void)[] = []
  socket.on('message', (octets) => {
    const taker = wanted.shift()
    if (taker === undefined) came.push(octets)
    else taker(octets)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  if (multicastFrom !== undefined) socket.setMulticastInterface(multicastFrom)
  let seq = 0
  let gatekeeper = first
  const sendOctets = (octets: Uint8Array): void => socket.send(octets, gatekeeper.port, gatekeeper.ip)
  const nextOctets = (): Promise<Buffer> => {
    const first = came.shift()
    if (first !== undefined) return Promise.resolve(first)
    return new Promise((resolve, reject) => {
      const taker = (octets: Buffer): void => {
        clearTimeout(timer)
        resolve(octets)
      }
      const timer = setTimeout(() => {
        wanted.splice(wanted.indexOf(taker), 1)
        reject(new Error('no answer'))
      }, patienceMs)
      wanted.push(taker)
    })
  }
  const send = (message: RasMessage): void => sendOctets(rasMessage.encode(message))
  const next = async (): Promise<RasMessage> => rasMessage.decode(await nextOctets())
  return {
    address: { ip: '127.0.0.1', port: socket.address().port },
    target: (other) => {
      gatekeeper = other
    },
    seq: () => ++seq,
    send,
    sendOctets,
    next,
    waiting: () => came.length,
    ask: (message) => {
      send(message)
      return next()
    },
    askOctets: (octets) => {
      sendOctets(octets)
      return nextOctets()
    },
    close: () => socket.close()
  }
}

const protocolIdentifier = '0.0.8.2250.0.7'
const vendor = { vendor: { t35CountryCode: 9, t35Extension: 0, manufacturerCode: 61 } }
const terminal: EndpointType = { terminal: {}, mc: false, undefinedNode: false }
export const gatewayWith = (...prefixes: string[]): EndpointType => ({
  gateway: {
    protocol: [
      {
        type: 'voice',
        value: { supportedPrefixes: prefixes.map((prefix) => ({ prefix: { type: 'dialedDigits', value: prefix } })) }
      }
    ]
  },
  mc: false,
  undefinedNode: false
})

export const aliasesOf = (...names: string[]): AliasAddress[] => names.map((name) => aliasOfKey(keyOfText(name)))

export const grq = (client: RasClient, more: Partial<Of<'gatekeeperRequest'>> = {}): RasMessage => ({
  type: 'gatekeeperRequest',
  value: {
    requestSeqNum: client.seq(),
    protocolIdentifier,
    rasAddress: transportAddressOf(client.address),
    endpointType: terminal,
    ...more
  }
})

export const rrq = (client: RasClient, names: string[], more: Partial<Of<'registrationRequest'>> = {}): RasMessage => ({
  type: 'registrationRequest',
  value: {
    requestSeqNum: client.seq(),
    protocolIdentifier,
    discoveryComplete: true,
    callSignalAddress: [transportAddressOf(client.address)],
    rasAddress: [transportAddressOf(client.address)],
    terminalType: terminal,
    terminalAlias: aliasesOf(...names),
    endpointVendor: vendor,
    ...more
  }
})

export const urq = (
  client: RasClient,
  endpointIdentifier: string,
  more: Partial<Of<'unregistrationRequest'>> = {}
): RasMessage => ({
  type: 'unregistrationRequest',
  value: { requestSeqNum: client.seq(), callSignalAddress: [transportAddressOf(client.address)], endpointIdentifier, ...more }
})

/** Sixteen octets that are all `n`. */
export const guid = (n: number): Uint8Array => new Uint8Array(16).fill(n)

export const arq = (
  client: RasClient,
  endpointIdentifier: string,
  call: number,
  names: string[],
  more: Partial<Of<'admissionRequest'>> = {}
): RasMessage => ({
  type: 'admissionRequest',
  value: {
    requestSeqNum: client.seq(),
    callType: { type: 'pointToPoint' },
    endpointIdentifier,
    destinationInfo: aliasesOf(...names),
    srcInfo: [],
    bandWidth: 1280,
    callReferenceValue: call,
    conferenceID: guid(call),
    activeMC: false,
    answerCall: false,
    callIdentifier: { guid: guid(call) },
    ...more
  }
})

export const brq = (client: RasClient, endpointIdentifier: string, call: number, bandWidth: number): RasMessage => ({
  type: 'bandwidthRequest',
  value: {
    requestSeqNum: client.seq(),
    endpointIdentifier,
    conferenceID: guid(call),
    callReferenceValue: call,
    bandWidth,
    callIdentifier: { guid: guid(call) }
  }
})

export const drq = (client: RasClient, endpointIdentifier: string, call: number): RasMessage => ({
  type: 'disengageRequest',
  value: {
    requestSeqNum: client.seq(),
    endpointIdentifier,
    conferenceID: guid(call),
    callReferenceValue: call,
    disengageReason: { type: 'normalDrop' },
    callIdentifier: { guid: guid(call) }
  }
})
