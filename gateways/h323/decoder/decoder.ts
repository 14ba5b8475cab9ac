/** Reads captures and octets and tells what H.323 is in them. */
import { DecodeError } from '#kernel'
import { type Json, type Pdu, toJer } from '../asn1/asn1.ts'
import { h323UserInformation, rasMessage } from '../h225/pdus.ts'
import { multimediaSystemControlMessage, openLogicalChannel } from '../h245/pdus.ts'
import { argumentOf, operationOf, supplementaryService } from '../h450/operations.ts'
import { ROS } from '../h450/ros.ts'
import { bearerCapability, cause, ie, partyNumber, progressIndicator, text } from '../q931/elements.ts'
import { decodeQ931, type InformationElement } from '../q931/message.ts'
import { TpktSplitter } from '../q931/tpkt.ts'
import { userInformationOf } from '../q931/user-user.ts'
import { framesOf, isCapture } from './capture.ts'
import { ipv6Text, type Packet, packetOf } from './packets.ts'
import { TcpStream } from './streams.ts'

export type Protocol = 'RAS' | 'Q.931' | 'H.245' | 'H.225.0' | 'OLC'

/** One message, read as far as it could be. */
export interface Reading {
  readonly protocol: Protocol
  /** `registrationRequest`, `setup`, `terminalCapabilitySet`; empty where it could not be read. */
  readonly name: string
  /** JER, with the Q.931 header and elements where there are such, and with messages inside messages read too. */
  readonly value: Json
  readonly octets: Uint8Array
  readonly error?: { readonly code: string; readonly message: string }
}

/** A message with its place in a capture. */
export interface CapturedReading extends Reading {
  readonly time: number
  readonly from: string
  readonly to: string
}

const rasPorts = [1718, 1719]

/** Fields that may hold passwords, in clear with some peers. */
const secret = new Set(['tokens', 'cryptoTokens', 'password', 'challenge'])

export interface DecoderOptions {
  /** Show tokens and passwords too. */
  readonly secrets?: boolean
}

export class Decoder {
  private readonly secrets: boolean

  constructor({ secrets = false }: DecoderOptions = {}) {
    this.secrets = secrets
  }

  /**
   * Messages of a pcap or pcapng file: RAS on its ports, and whatever begins with a TPKT on any TCP connection.
   *
   * @throws {DecodeError} `h323.capture.format`
   */
  *capture(file: Buffer): Generator<CapturedReading> {
    const connections = new Map<string, { readonly stream: TcpStream; splitter: TpktSplitter | null }>()
    for (const frame of framesOf(file)) {
      const packet = packetOf(frame)
      if (packet === undefined) continue
      const { time, from, to } = packet
      if (packet.transport === 'udp') {
        if (!rasPorts.includes(packet.fromPort) && !rasPorts.includes(packet.toPort)) continue
        if (packet.payload.length > 0) yield { time, from, to, ...this.message('RAS', packet.payload) }
        continue
      }
      const key = `${from} ${to}`
      let connection = connections.get(key)
      if (connection === undefined || packet.isSyn) {
        connection = { stream: new TcpStream(), splitter: new TpktSplitter() }
        connections.set(key, connection)
      }
      for (const payload of this.payloadsOf(connection, packet)) yield { time, from, to, ...this.signalling(payload) }
    }
  }

  private payloadsOf(connection: { readonly stream: TcpStream; splitter: TpktSplitter | null }, packet: Packet): Buffer[] {
    const { octets, isGap } = connection.stream.push(packet.sequence, packet.isSyn, packet.payload)
    if (isGap) connection.splitter = new TpktSplitter()
    return octets.flatMap((piece) => {
      try {
        return connection.splitter?.push(piece) ?? []
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        // Not a TPKT: another protocol, or the middle of a message.
        connection.splitter = null
        return []
      }
    })
  }

  /** The payload of a TPKT: Q.931 begins with its protocol discriminator and a call reference of two octets, everything else is H.245. */
  signalling(payload: Uint8Array): Reading {
    return this.message(payload[0] === 0x08 && payload[1] === 0x02 ? 'Q.931' : 'H.245', payload)
  }

  /** Octets of which only these are known: a capture is not among them. */
  octets(octets: Buffer, as?: Protocol): Reading[] {
    if (as !== undefined) return [this.message(as, octets)]
    if (octets[0] === 0x03 && octets[1] === 0x00 && octets.length >= 4) {
      try {
        const splitter = new TpktSplitter()
        const payloads = splitter.push(octets)
        if (payloads.length > 0 && splitter.pending === 0) return payloads.map((payload) => this.signalling(payload))
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
      }
    }
    const guesses: Protocol[] = octets[0] === 0x08 && octets[1] === 0x02 ? ['Q.931'] : ['RAS', 'H.245', 'H.225.0', 'OLC']
    const readings = guesses.map((guess) => this.message(guess, octets))
    return [readings.find(({ error }) => error === undefined) ?? readings[0]!]
  }

  /** Reads one message of a known kind. */
  message(protocol: Protocol, octets: Uint8Array): Reading {
    try {
      if (protocol === 'Q.931') return this.q931(octets)
      const pdu = pdus[protocol]
      const value = pdu.decode(octets)
      return { protocol, name: nameOf(protocol, value), value: this.readable(toJer(pdu.type, value)), octets }
    } catch (error) {
      return { protocol, name: '', value: null, octets, error: complaint(error) }
    }
  }

  private q931(octets: Uint8Array): Reading {
    const message = decodeQ931(octets)
    const { callReference, callReferenceFlag, messageType, elements } = message
    const header = { callReference, callReferenceFlag, messageType, elements: elements.flatMap(elementOf) }
    const reading = { protocol: 'Q.931', name: String(messageType), octets } as const
    try {
      const information = userInformationOf(message)
      if (information === undefined) return { ...reading, value: header }
      const body = information['h323-uu-pdu']['h323-message-body'].type
      const value = { ...header, ...(this.readable(toJer(h323UserInformation.type, information)) as object) }
      return { ...reading, name: body === messageType ? body : `${messageType} (${body})`, value }
    } catch (error) {
      return { ...reading, value: header, error: complaint(error) }
    }
  }

  /** Hides secrets and reads the messages inside the message. */
  private readable(json: Json): Json {
    if (Array.isArray(json)) return json.map((element) => this.readable(element))
    if (typeof json !== 'object' || json === null) return json
    const fields = Object.entries(json as Readonly<Record<string, Json>>).map(([name, field]): [string, Json] => {
      if (secret.has(name) && !this.secrets) return [name, Array.isArray(field) ? `${field.length}, hidden` : 'hidden']
      const inside = insides[name]
      if (inside === undefined || !Array.isArray(field)) return [name, this.readable(field)]
      return [name, field.map((hex) => this.readable(inside(Buffer.from(hex as string, 'hex'))))]
    })
    return Object.fromEntries(fields)
  }
}

const pdus: Readonly<Record<Exclude<Protocol, 'Q.931'>, Pdu<unknown>>> = {
  RAS: rasMessage,
  'H.245': multimediaSystemControlMessage,
  'H.225.0': h323UserInformation,
  OLC: openLogicalChannel
}

function nameOf(protocol: Protocol, value: unknown): string {
  if (protocol === 'OLC') return 'openLogicalChannel'
  if (protocol === 'H.225.0') {
    return (value as { 'h323-uu-pdu': { 'h323-message-body': { type: string } } })['h323-uu-pdu']['h323-message-body'].type
  }
  const outer = value as { readonly type: string; readonly value?: { readonly type?: string } }
  return protocol === 'H.245' ? (outer.value?.type ?? outer.type) : outer.type
}

function complaint(error: unknown): { code: string; message: string } {
  if (!(error instanceof DecodeError)) throw error
  return { code: error.code, message: error.message }
}

const orHex = (octets: Buffer, read: () => Json): Json => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return octets.toString('hex')
  }
}

const insideOf =
  (pdu: Pdu<unknown>) =>
  (octets: Buffer): Json =>
    orHex(octets, () => toJer(pdu.type, pdu.decode(octets)))

/** A supplementary service, with the arguments of the operations that are known. */
const supplementary = (octets: Buffer): Json =>
  orHex(octets, () => {
    const value = supplementaryService.decode(octets)
    const json = toJer(supplementaryService.type, value)
    if (value.serviceApdu.type !== 'rosApdus') return json
    const apdus = value.serviceApdu.value.map((apdu): Json => {
      const operation = apdu.type === 'invoke' ? operationOf(apdu.value) : undefined
      if (apdu.type !== 'invoke' || operation === undefined) return toJer(ROS, apdu)
      const argument = argumentOf(operation, apdu.value)
      return {
        [operation.name]: {
          invokeId: apdu.value.invokeId,
          ...(argument === undefined ? {} : { argument: toJer(operation.argument.type, argument) })
        }
      }
    })
    return { ...(json as object), serviceApdu: apdus }
  })

/** Fields whose octets are messages. */
const insides: Readonly<Record<string, (octets: Buffer) => Json>> = {
  fastStart: insideOf(openLogicalChannel),
  h245Control: insideOf(multimediaSystemControlMessage),
  parallelH245Control: insideOf(multimediaSystemControlMessage),
  h4501SupplementaryService: supplementary
}

const elementReaders = new Map<number, { readonly name: string; readonly read?: (octets: Uint8Array) => Json }>([
  [ie.bearerCapability, { name: 'bearerCapability', read: (octets) => ({ ...bearerCapability.decode(octets) }) }],
  [
    ie.cause,
    {
      name: 'cause',
      read: (octets) => {
        const { diagnostics, ...rest } = cause.decode(octets)
        return diagnostics.length === 0 ? rest : { ...rest, diagnostics: Buffer.from(diagnostics).toString('hex') }
      }
    }
  ],
  [ie.callState, { name: 'callState' }],
  [ie.facility, { name: 'facility' }],
  [ie.progressIndicator, { name: 'progressIndicator', read: (octets) => ({ ...progressIndicator.decode(octets) }) }],
  [ie.notificationIndicator, { name: 'notificationIndicator' }],
  [ie.display, { name: 'display', read: (octets) => text.decode(octets) }],
  [ie.keypadFacility, { name: 'keypadFacility', read: (octets) => text.decode(octets) }],
  [ie.signal, { name: 'signal' }],
  [ie.connectedNumber, { name: 'connectedNumber', read: (octets) => ({ ...partyNumber.decode(octets) }) }],
  [ie.callingPartyNumber, { name: 'callingPartyNumber', read: (octets) => ({ ...partyNumber.decode(octets) }) }],
  [ie.calledPartyNumber, { name: 'calledPartyNumber', read: (octets) => ({ ...partyNumber.decode(octets) }) }],
  [ie.redirectingNumber, { name: 'redirectingNumber', read: (octets) => ({ ...partyNumber.decode(octets) }) }],
  [ie.sendingComplete, { name: 'sendingComplete' }]
])

/** An element by name; the user-user element has its own place. */
function elementOf({ id, octets, codeset }: InformationElement): Json[] {
  if (id === ie.userUser && codeset === undefined) return []
  const reader = codeset === undefined ? elementReaders.get(id) : undefined
  const plain = Buffer.from(octets)
  const value = reader?.read === undefined ? plain.toString('hex') : orHex(plain, () => reader.read!(octets))
  return [{ [reader?.name ?? `element ${id}${codeset === undefined ? '' : ` of codeset ${codeset}`}`]: value }]
}

/** Fields of octets that people know in another form. */
const forms: Readonly<Record<string, (hex: string) => string>> = {
  ip: addressText,
  network: addressText,
  productId: octetText,
  versionId: octetText
}

function addressText(hex: string): string {
  const octets = Buffer.from(hex, 'hex')
  return octets.length === 4 ? octets.join('.') : octets.length === 16 ? ipv6Text(octets) : hex
}

function octetText(hex: string): string {
  const octets = Buffer.from(hex, 'hex')
  return octets.every((octet) => octet === 0 || (octet >= 0x20 && octet < 0x7f)) ? text.decode(octets).replaceAll('\0', '') : hex
}

/** What fits on the line of its name: a plain value, or an object of one plain member; undefined for anything larger. */
function inline(name: string, json: Json): string | undefined {
  if (json === null) return ''
  if (typeof json === 'string') return `: ${forms[name]?.(json) ?? json}`
  if (typeof json !== 'object') return `: ${json}`
  const entries = Object.entries(json)
  if (entries.length === 0) return Array.isArray(json) ? ': none' : ': present'
  const [inner, value] = entries[0] as [string, Json]
  if (Array.isArray(json) || entries.length > 1 || (typeof value === 'object' && value !== null)) return undefined
  return value === null ? `: ${inner}` : `: ${inner} ${inline(inner, value)!.slice(2)}`
}

/** A value as indented lines, `name: value`. */
export function* linesOf(json: Json, indent = '  '): Generator<string> {
  if (typeof json !== 'object' || json === null) return
  const isList = Array.isArray(json)
  for (const [name, field] of Object.entries(json) as [string, Json][]) {
    const label = isList ? `[${name}]` : name
    const short = inline(name, field)
    yield `${indent}${label}${short ?? ''}`
    if (short === undefined) yield* linesOf(field, `${indent}  `)
  }
}

export { isCapture }
