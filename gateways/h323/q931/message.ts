import { DecodeError } from '#kernel'

/** Message types of H.225.0 call signalling by the names of Q.931. @see H.225.0 table 4, Q.931 table 4-2 */
export const messageTypes = {
  alerting: 0x01,
  callProceeding: 0x02,
  progress: 0x03,
  setup: 0x05,
  connect: 0x07,
  setupAcknowledge: 0x0d,
  connectAcknowledge: 0x0f,
  userInformation: 0x20,
  disconnect: 0x45,
  release: 0x4d,
  releaseComplete: 0x5a,
  facility: 0x62,
  notify: 0x6e,
  statusInquiry: 0x75,
  information: 0x7b,
  status: 0x7d
} as const

export type MessageType = keyof typeof messageTypes

const nameOfType = new Map<number, MessageType>(Object.entries(messageTypes).map(([name, code]) => [code, name as MessageType]))

/** One information element as it is on the wire. */
export interface InformationElement {
  /** Identifier; with bit 8 set the whole element is this octet. */
  readonly id: number
  /** Contents behind the length. */
  readonly octets: Uint8Array
  /** Codeset it belongs to, absent for codeset 0. */
  readonly codeset?: number
}

/** A Q.931 message as H.225.0 uses it. Elements keep their order, so that encoding gives the same octets again. */
export interface Q931Message {
  /** 0–32,767; 0 is the global call reference. */
  readonly callReference: number
  /** True from the side that did not choose the call reference. */
  readonly callReferenceFlag: boolean
  /** A number where the type is none of H.225.0. */
  readonly messageType: MessageType | number
  readonly elements: readonly InformationElement[]
}

const protocolDiscriminator = 0x08
const userUser = 0x7e
const shift = 0x90
const maxElements = 128

function fail(code: string, reason: string, path: string, octet: number): never {
  throw new DecodeError(code, reason, { path, bitOffset: octet * 8 })
}

/**
 * Decodes a Q.931 message, the payload of a TPKT. Contents of elements are views of it.
 *
 *     | protocol discriminator = 8 | 0 0 0 0 | length = 2 |
 *     | flag |        call reference value                |
 *     |  0   |        message type                        |
 *     information elements: | 0 | identifier | length | contents |, or one octet | 1 | identifier and value |
 *
 * The user-user element alone has a length of two octets (H.225.0 §7.2.2.31).
 *
 * @throws {DecodeError} `h323.q931.short`, `.discriminator`, `.call-reference`, `.message-type`, `.elements`
 * @see Q.931 §4, H.225.0 §7.2
 */
export function decodeQ931(octets: Uint8Array): Q931Message {
  if (octets.length < 5) fail('h323.q931.short', `Q.931 message of ${octets.length} octets`, 'Q931', octets.length)
  if (octets[0] !== protocolDiscriminator) {
    fail('h323.q931.discriminator', `protocol discriminator ${octets[0]}`, 'Q931.protocolDiscriminator', 0)
  }
  if (octets[1] !== 2) fail('h323.q931.call-reference', `call reference of ${octets[1]} octets`, 'Q931.callReference', 1)
  const type = octets[4]!
  if (type >= 0x80) fail('h323.q931.message-type', `message type ${type}`, 'Q931.messageType', 4)
  return {
    callReference: (octets[2]! & 0x7f) * 256 + octets[3]!,
    callReferenceFlag: octets[2]! >= 0x80,
    messageType: nameOfType.get(type) ?? type,
    elements: decodeElements(octets, 5)
  }
}

function decodeElements(octets: Uint8Array, start: number): InformationElement[] {
  const elements: InformationElement[] = []
  let locked = 0
  let next: number | undefined
  for (let at = start; at < octets.length; ) {
    const id = octets[at]!
    const path = `Q931.elements[${elements.length}]`
    if (elements.length === maxElements) fail('h323.q931.elements', `more than ${maxElements} elements`, path, at)
    const codeset = next ?? locked
    next = undefined
    if (id >= 0x80) {
      elements.push(elementOf(id, octets.subarray(at, at), codeset))
      at++
      if ((id & 0xf0) === shift) {
        if ((id & 0x08) === 0) locked = id & 0x07
        else next = id & 0x07
      }
      continue
    }
    const lengthOctets = id === userUser && codeset === 0 ? 2 : 1
    const from = at + 1 + lengthOctets
    if (from > octets.length) fail('h323.q931.short', 'element without its length', path, at)
    const length = lengthOctets === 2 ? octets[at + 1]! * 256 + octets[at + 2]! : octets[at + 1]!
    if (from + length > octets.length) {
      fail('h323.q931.short', `element of ${length} octets, ${octets.length - from} left`, path, at)
    }
    elements.push(elementOf(id, octets.subarray(from, from + length), codeset))
    at = from + length
  }
  return elements
}

const elementOf = (id: number, octets: Uint8Array, codeset: number): InformationElement =>
  codeset === 0 ? { id, octets } : { id, octets, codeset }

/** @throws {RangeError} for a call reference, message type or element that has no encoding */
export function encodeQ931({ callReference, callReferenceFlag, messageType, elements }: Q931Message): Buffer {
  const type = typeof messageType === 'number' ? messageType : messageTypes[messageType]
  if (!Number.isInteger(callReference) || callReference < 0 || callReference > 0x7fff) {
    throw new RangeError(`call reference ${callReference}, expected 0–32767`)
  }
  if (!Number.isInteger(type) || type < 0 || type > 0x7f) throw new RangeError(`message type ${messageType}`)
  const pieces: Uint8Array[] = [
    Uint8Array.of(protocolDiscriminator, 2, (callReference >> 8) | (callReferenceFlag ? 0x80 : 0), callReference & 0xff, type)
  ]
  for (const { id, octets, codeset } of elements) {
    if (id >= 0x80) pieces.push(Uint8Array.of(id))
    else if (id === userUser && codeset === undefined) {
      if (octets.length > 0xffff) throw new RangeError(`user-user element of ${octets.length} octets`)
      pieces.push(Uint8Array.of(id, octets.length >> 8, octets.length & 0xff), octets)
    } else {
      if (octets.length > 0xff) throw new RangeError(`element ${id} of ${octets.length} octets`)
      pieces.push(Uint8Array.of(id, octets.length), octets)
    }
  }
  return Buffer.concat(pieces)
}

/** Contents of the first element with this identifier in codeset 0. */
export const elementOctets = (message: Q931Message, id: number): Uint8Array | undefined =>
  message.elements.find((element) => element.id === id && element.codeset === undefined)?.octets
