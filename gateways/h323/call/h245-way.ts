/** Where H.245 of a call goes: tunnelled in call signalling (H.323 §8.2.1), or on a connection of its own (§8.2). No socket, no clock. */
import type { Address } from '../control/media.ts'
import { addressOf } from '../gatekeeper/addresses.ts'
import type { H323UserInformation } from '../h225/h225.ts'
import type { MultimediaSystemControlMessage } from '../h245/h245.ts'
import { multimediaSystemControlMessage } from '../h245/pdus.ts'
import type { Extras } from './messages.ts'

type Pdu = H323UserInformation['h323-uu-pdu']
export type BodyOf = Pdu['h323-message-body']

export type H245Effect =
  | { readonly type: 'h245'; readonly message: MultimediaSystemControlMessage }
  /** An address for the peer to connect to is needed: {@link H245Way.listening} takes it. */
  | { readonly type: 'listenH245' }
  | { readonly type: 'connectH245'; readonly address: Address }

export interface H245WayPorts {
  readonly effect: (effect: H245Effect) => void
  readonly facility: (reason: 'startH245' | 'transportedInformation', extras: Partial<Extras>) => void
}

/** H.245 that waits for a way to go. */
const mostWaiting = 100

export class H245Way {
  readonly #ports: H245WayPorts
  readonly #direction: 'outbound' | 'inbound'
  #tunnel: 'proposed' | 'on' | 'off'
  #connection: 'none' | 'connecting' | 'open' | 'closed' = 'none'
  /** Where the peer can open H.245, told in the next message. */
  #own: Address | null = null
  #isTold = false
  #peer: Address | null = null
  #waiting: MultimediaSystemControlMessage[] = []
  /** Went with SETUP, and may have to go again. */
  #inSetup: MultimediaSystemControlMessage[] = []

  constructor(direction: 'outbound' | 'inbound', tunnelling: boolean, ports: H245WayPorts) {
    this.#direction = direction
    this.#tunnel = tunnelling ? 'proposed' : 'off'
    this.#ports = ports
  }

  get tunnel(): 'proposed' | 'on' | 'off' {
    return this.#tunnel
  }

  /** There is no connection, and none was tried. */
  get isUnconnected(): boolean {
    return this.#connection === 'none'
  }

  /** @param isDue the peer is to be told at once */
  listening(address: Address, isDue: boolean): void {
    this.#own = address
    if (isDue && !this.#isTold && this.#connection === 'none') this.startConnection()
  }

  opened(): void {
    this.#connection = 'open'
    for (const message of this.#waiting.splice(0)) this.#ports.effect({ type: 'h245', message })
  }

  /** @returns whether it was open */
  closed(): boolean {
    if (this.#connection !== 'open') return false
    this.#connection = 'closed'
    return true
  }

  /** The connection could not be made. @returns whether it was tried */
  failed(): boolean {
    if (this.#connection !== 'connecting') return false
    this.#connection = 'none'
    return true
  }

  /** Our address where the peer is to be told it now: who knows where to connect does so, and is not connected to: two would cross (H.323 §8.2.3). */
  takeAddress(): Pick<Extras, 'h245Address'> {
    if (this.#tunnel !== 'off' || this.#own === null || this.#connection !== 'none' || this.#peer !== null) return {}
    this.#isTold = true
    return { h245Address: this.#own }
  }

  /** To the peer's address where it told one; else it is asked to come. */
  startConnection(): void {
    if (this.#peer !== null) this.#connect()
    else if (this.#own === null) this.#ports.effect({ type: 'listenH245' })
    else if (!this.#isTold) this.#ports.facility('startH245', this.takeAddress())
  }

  #connect(): void {
    if (this.#connection !== 'none' || this.#peer === null) return
    this.#connection = 'connecting'
    this.#ports.effect({ type: 'connectH245', address: this.#peer })
  }

  /** What a message of the peer says of tunnelling, and of its own address. */
  learn(pdu: Pdu): void {
    const body = pdu['h323-message-body']
    const isEnd = body.type === 'releaseComplete'
    if (this.#tunnel === 'proposed') {
      const isAnswer = this.#direction === 'outbound' ? body.type !== 'setup' : body.type === 'setup'
      // a gatekeeper in between does not know yet what the called side can (H.225.0 §7.2, provisionalRespToH245Tunneling)
      if (isAnswer && pdu.provisionalRespToH245Tunneling === undefined && !isEnd) this.#tunnelAnswered(pdu.h245Tunneling === true)
    } else if (this.#tunnel === 'on' && pdu.h245Tunneling === false && !isEnd) {
      // the peer leaves the tunnel: from now on H.245 has its own connection
      this.#tunnel = 'off'
    }
    const address = h245AddressOf(body)
    if (address === null) return
    this.#peer = address
    const isAsked = body.type === 'facility' && body.value.reason.type === 'startH245'
    if (isAsked && this.#tunnel === 'off') this.#connect()
  }

  #tunnelAnswered(on: boolean): void {
    this.#tunnel = on ? 'on' : 'off'
    if (on) for (const message of this.#waiting.splice(0)) this.send(message)
    else this.#waiting = [...this.#inSetup, ...this.#waiting]
    this.#inSetup = []
  }

  send(message: MultimediaSystemControlMessage): void {
    if (this.#connection === 'open') this.#ports.effect({ type: 'h245', message })
    else if (this.#tunnel === 'on') {
      // one message of H.245 in one FACILITY: gateways of Cisco take no more
      this.#ports.facility('transportedInformation', { h245Control: [multimediaSystemControlMessage.encode(message)] })
    } else if (this.#waiting.length < mostWaiting) this.#waiting.push(message)
  }

  /** What waits, encoded for the SETUP that goes out now. */
  takeForSetup(): Uint8Array[] {
    this.#inSetup = this.#waiting.splice(0)
    return this.#inSetup.map((message) => multimediaSystemControlMessage.encode(message))
  }

  /** The last message of H.245; what waits is dropped. @returns what goes with RELEASE COMPLETE */
  sendLast(message: MultimediaSystemControlMessage | null): Uint8Array[] {
    this.#waiting = []
    if (message === null) return []
    if (this.#connection === 'open') this.#ports.effect({ type: 'h245', message })
    else if (this.#tunnel === 'on') return [multimediaSystemControlMessage.encode(message)]
    return []
  }
}

function h245AddressOf(body: BodyOf): Address | null {
  if (!('value' in body) || body.type === 'unknownExtension') return null
  const { h245Address } = body.value as { h245Address?: Parameters<typeof addressOf>[0] }
  return h245Address === undefined ? null : addressOf(h245Address)
}
