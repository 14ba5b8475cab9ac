/**
 * The logical channels of one call: their numbers, and the signalling entities of each (lcse.ts, blcse.ts, clcse.ts) at work. Channels that are not sound
 * are opened and decided on by others, who are told of them; about sound sound.ts decides.
 */
import type { OpenLogicalChannel, OpenLogicalChannelAck } from '../h245/h245.ts'
import { addressOf, transportAddress } from './channels.ts'
import {
  type IncomingBlcse,
  type IncomingBlcseEvent,
  type IncomingBlcseState,
  type IncomingBlcseTold,
  incomingBlcse,
  outgoingBlcse
} from './entities/blcse.ts'
import {
  type Clcse,
  type IncomingClcseEvent,
  type IncomingClcseState,
  type IncomingClcseTold,
  incomingClcse,
  type OutgoingClcseEvent,
  type OutgoingClcseState,
  type OutgoingClcseTold,
  outgoingClcse
} from './entities/clcse.ts'
import { response } from './entities/entity.ts'
import {
  type ChannelTold,
  incomingLcse,
  type OutgoingLcseEvent,
  type OutgoingLcseState,
  outgoingLcse,
  type RejectCause
} from './entities/lcse.ts'
import type { Address, AudioCodec } from './media.ts'
import type { Outbox } from './outbox.ts'

/** Asked and told at the turns of channels. */
export interface ChannelTurns {
  /** The peer wants to open one, which carries sound when `codec` is set: to be answered by {@link LogicalChannels.respond} or `rejectChannel`, now or later. */
  readonly offered: (number: number, channel: InChannel, open: OpenLogicalChannel) => void
  /** Sound goes from here. */
  readonly opened: () => void
  /** A channel of sound from here is being closed, or one of the peer is closed. */
  readonly silenced: () => void
  /** A channel of sound from here is closed, or was not opened. */
  readonly closed: (channel: OutChannel, why: Extract<ChannelTold, { type: 'released' }>) => void
  /** Sound comes here. */
  readonly heard: () => void
}

/** A channel from here. */
export interface OutChannel {
  state: OutgoingLcseState
  readonly open: OpenLogicalChannel
  readonly bothWays: boolean
  /** Null for what is not sound. */
  readonly codec: AudioCodec | null
  rtp: Address | null
  rtcp: Address | null
  payloadType: number | null
  /** By flow control. */
  stopped: boolean
  /** Comes back in this codec when it is closed. */
  next: AudioCodec | null
  /** Number of the peer's channel for both ways whose way from here this is; it is closed by its opener. */
  readonly reverseOf: number | null
}

/** A channel of the peer. */
export interface InChannel {
  state: IncomingBlcseState
  open: OpenLogicalChannel | null
  bothWays: boolean
  codec: AudioCodec | null
  closing: OutgoingClcseState
  /** Payload type of the peer's stream where the channel names one. */
  payloadType: number | null
  /** Where the peer sends its control packets from. */
  rtcp: Address | null
}

/** Channels that a peer may have open at once. */
const mostChannels = 64
const firstFreeSession = 32

export class LogicalChannels {
  readonly #outbox: Outbox
  readonly #turns: ChannelTurns
  #nextNumber = 1
  #nextSession = firstFreeSession
  readonly #out = new Map<number, OutChannel>()
  readonly #in = new Map<number, InChannel>()
  readonly #asked = new Map<number, { state: IncomingClcseState }>()

  constructor(outbox: Outbox, turns: ChannelTurns) {
    this.#outbox = outbox
    this.#turns = turns
  }

  /** Channels from here by their numbers. */
  get out(): ReadonlyMap<number, OutChannel> {
    return this.#out
  }

  /** Channels of the peer by their numbers. */
  get in(): ReadonlyMap<number, InChannel> {
    return this.#in
  }

  /** @returns the first of so many numbers for channels from here */
  reserveNumbers(count: number): number {
    const first = this.#nextNumber
    this.#nextNumber += count
    return first
  }

  // from here

  /** Takes a channel that was opened otherwise: by fast connect, or with one for both ways. Its number is whoever's who chose it. */
  adoptOut(number: number, channel: Pick<OutChannel, 'open'> & Partial<OutChannel>): void {
    this.#nextNumber = Math.max(this.#nextNumber, number + 1)
    this.#out.set(number, { ...released, ...channel, state: 'established' })
  }

  /** Opens a channel. @param channel what it has beside its number, which is in `open` */
  open(channel: Pick<OutChannel, 'open'> & Partial<OutChannel>): void {
    const number = channel.open.forwardLogicalChannelNumber
    const opened: OutChannel = { ...released, ...channel }
    this.#out.set(number, opened)
    this.#outEvent(number, opened, { type: 'establishRequest' })
  }

  /** Opens a channel that is not sound. @param number reserved before @returns its number */
  openChannel(
    parameters: Pick<OpenLogicalChannel, 'forwardLogicalChannelParameters'>,
    number: number = this.reserveNumbers(1)
  ): number {
    this.open({ open: { forwardLogicalChannelNumber: number, ...parameters } })
    return number
  }

  /** Closes a channel that is not sound. */
  closeChannel(number: number): void {
    if (this.#out.get(number)?.codec === null) this.release(number)
  }

  release(number: number): void {
    const channel = this.#out.get(number)
    if (channel !== undefined) this.#outEvent(number, channel, { type: 'releaseRequest' })
  }

  /** The peer has answered a channel of ours. */
  answered(number: number, event: OutgoingLcseEvent): void {
    const channel = this.#out.get(number)
    if (channel === undefined) {
      this.#outbox.ignore('outgoingLcse', event.type)
      return
    }
    this.#outEvent(number, channel, event)
  }

  /** The peer wants a channel of ours closed. */
  closeAsked(number: number): void {
    const holder = this.#asked.get(number) ?? { state: 'idle' as IncomingClcseState }
    this.#asked.set(number, holder)
    const channel = this.#out.get(number)
    this.#incomingClcseEvent(number, holder, { type: 'requestChannelClose' })
    if (channel === undefined) this.#incomingClcseEvent(number, holder, { type: 'rejectRequest' })
    else {
      this.#incomingClcseEvent(number, holder, { type: 'closeResponse' })
      this.#outEvent(number, channel, { type: 'releaseRequest' })
    }
    this.#asked.delete(number)
  }

  // of the peer

  /** Takes a channel that fast connect has opened. */
  adoptIn(number: number, channel: Pick<InChannel, 'codec' | 'payloadType' | 'rtcp'>): void {
    this.#in.set(number, { state: 'established', open: null, bothWays: false, closing: 'idle', ...channel })
  }

  offered(open: OpenLogicalChannel): void {
    const number = open.forwardLogicalChannelNumber
    const bothWays = open.reverseLogicalChannelParameters !== undefined
    let channel = this.#in.get(number)
    if (channel === undefined) {
      if (this.#in.size >= mostChannels) {
        const value = { forwardLogicalChannelNumber: number, cause: { type: 'unspecified' } } as const
        this.#outbox.send(response({ type: 'openLogicalChannelReject', value }))
        return
      }
      channel = { state: 'released', open: null, bothWays, codec: null, closing: 'idle', payloadType: null, rtcp: null }
      this.#in.set(number, channel)
    }
    this.#inEvent(number, channel, { type: 'openLogicalChannel', open })
  }

  /** Opens a channel that was offered. */
  respond(number: number, ack: OpenLogicalChannelAck): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) this.#inEvent(number, channel, { type: 'establishResponse', ack })
  }

  /** Opens a channel that is not sound. @param at where it is received */
  acceptChannel(number: number, at: { readonly rtp: Address; readonly rtcp: Address; readonly sessionId?: number }): void {
    const channel = this.#in.get(number)
    if (channel?.open == null) return
    const asked = sessionOf(channel.open)
    const sessionID = at.sessionId ?? (asked === 0 ? this.#nextSession++ : asked)
    const ack: OpenLogicalChannelAck = {
      forwardLogicalChannelNumber: number,
      forwardMultiplexAckParameters: {
        type: 'h2250LogicalChannelAckParameters',
        value: {
          sessionID,
          mediaChannel: transportAddress(at.rtp),
          mediaControlChannel: transportAddress(at.rtcp),
          flowControlToZero: false
        }
      }
    }
    this.respond(number, ack)
    if (channel.state === 'established') this.#outbox.tell({ type: 'channelOpened', number, own: false, ...at })
  }

  rejectChannel(number: number, cause: RejectCause): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) this.#inEvent(number, channel, { type: 'releaseRequest', cause })
  }

  /** Asks the sender to close a channel that comes here. */
  requestClose(number: number): void {
    const channel = this.#in.get(number)
    if (channel === undefined) return
    this.#outgoingClcseEvent(number, channel, { type: 'closeRequest' })
  }

  /** The peer has taken, or refused, to close a channel of its own. */
  closeAnswered(number: number, event: OutgoingClcseEvent): void {
    const channel = this.#in.get(number)
    if (channel === undefined) this.#outbox.ignore('outgoingClcse', event.type)
    else this.#outgoingClcseEvent(number, channel, event)
  }

  /** The peer has taken our ack of a channel for both ways. */
  confirmed(number: number): void {
    const channel = this.#in.get(number)
    if (channel === undefined) this.#outbox.ignore('incomingBlcse', 'openLogicalChannelConfirm')
    else this.#inEvent(number, channel, { type: 'openLogicalChannelConfirm' })
  }

  /** The peer closes a channel. */
  closed(number: number): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) {
      this.#inEvent(number, channel, { type: 'closeLogicalChannel' })
      return
    }
    // one of ours: some peers close what they do not want to receive
    this.#outbox.send(response({ type: 'closeLogicalChannelAck', value: { forwardLogicalChannelNumber: number } }))
  }

  // entities

  /** T103 of a channel of either side. */
  establishmentExpired(side: 'out' | 'in', number: number): void {
    const out = side === 'out' ? this.#out.get(number) : undefined
    const incoming = side === 'in' ? this.#in.get(number) : undefined
    if (out !== undefined) this.#outEvent(number, out, { type: 'T103' })
    if (incoming !== undefined) this.#inEvent(number, incoming, { type: 'T103' })
  }

  #outEvent(number: number, channel: OutChannel, event: OutgoingLcseEvent): void {
    const table = channel.bothWays ? outgoingBlcse : outgoingLcse
    this.#outbox.run<OutgoingLcseState, OutgoingLcseEvent, ChannelTold, { readonly open: OpenLogicalChannel }>(
      table,
      channel,
      event,
      channel,
      `:out:${number}`,
      (told) => this.#outTold(number, channel, told)
    )
    // silence begins with our close, not with its ack
    if (channel.state === 'awaitingRelease' && channel.codec !== null) this.#turns.silenced()
  }

  #outTold(number: number, channel: OutChannel, told: ChannelTold): void {
    if (told.type === 'established') {
      readAck(channel, told.ack)
      if (channel.codec === null) {
        this.#outbox.tell({ type: 'channelOpened', number, own: true, rtp: channel.rtp, rtcp: channel.rtcp })
      } else this.#turns.opened()
      return
    }
    this.#out.delete(number)
    if (channel.codec === null) this.#outbox.tell({ type: 'channelClosed', number, own: true })
    else this.#turns.closed(channel, told)
  }

  #inEvent(number: number, channel: InChannel, event: IncomingBlcseEvent): void {
    const table = (channel.bothWays ? incomingBlcse : incomingLcse) as typeof incomingBlcse
    this.#outbox.run<IncomingBlcseState, IncomingBlcseEvent, IncomingBlcseTold, IncomingBlcse>(
      table,
      channel,
      event,
      { number },
      `:in:${number}`,
      (told) => {
        switch (told.type) {
          case 'offered':
            readOffer(channel, told.open)
            return this.#turns.offered(number, channel, told.open)
          case 'confirmed':
            if (channel.codec !== null) this.#turns.heard()
            return
          case 'released': {
            if (channel.bothWays && channel.codec !== null) this.#dropReverse()
            if (channel.codec === null) this.#outbox.tell({ type: 'channelClosed', number, own: false })
            if (channel.state === 'released') this.#in.delete(number)
            this.#turns.silenced()
          }
        }
      }
    )
    if (channel.state === 'released') this.#in.delete(number)
    if (event.type === 'establishResponse' && channel.codec !== null && !channel.bothWays) this.#turns.heard()
  }

  /** The way from here goes with the channel for both ways that the peer has closed. */
  #dropReverse(): void {
    for (const [number, { bothWays, state }] of this.#out) {
      if (bothWays && state === 'established') this.#out.delete(number)
    }
  }

  #incomingClcseEvent(number: number, holder: { state: IncomingClcseState }, event: IncomingClcseEvent): void {
    this.#outbox.run<IncomingClcseState, IncomingClcseEvent, IncomingClcseTold, Clcse>(
      incomingClcse,
      holder,
      event,
      { number },
      '',
      () => {}
    )
  }

  #outgoingClcseEvent(number: number, channel: InChannel, event: OutgoingClcseEvent): void {
    const holder = { state: channel.closing }
    // what comes of it is told when the channel closes
    this.#outbox.run<OutgoingClcseState, OutgoingClcseEvent, OutgoingClcseTold, Clcse>(
      outgoingClcse,
      holder,
      event,
      { number },
      `:in:${number}`,
      () => {}
    )
    channel.closing = holder.state
  }
}

/** A channel from here that is not sound and was not opened yet. */
const released: Omit<OutChannel, 'open'> = {
  state: 'released',
  bothWays: false,
  codec: null,
  rtp: null,
  rtcp: null,
  payloadType: null,
  stopped: false,
  next: null,
  reverseOf: null
}

/** What an offer says of the channel; what it carries is to be decided. */
function readOffer(channel: InChannel, open: OpenLogicalChannel): void {
  const { multiplexParameters } = open.forwardLogicalChannelParameters
  channel.open = open
  channel.bothWays = open.reverseLogicalChannelParameters !== undefined
  channel.codec = null
  if (multiplexParameters.type !== 'h2250LogicalChannelParameters') return
  channel.rtcp = addressOf(multiplexParameters.value.mediaControlChannel)
  channel.payloadType = multiplexParameters.value.dynamicRTPPayloadType ?? null
}

/** Where the peer receives what goes from here. */
function readAck(channel: OutChannel, ack: OpenLogicalChannelAck): void {
  const forward = ack.forwardMultiplexAckParameters
  if (forward?.type === 'h2250LogicalChannelAckParameters') {
    channel.rtp = addressOf(forward.value.mediaChannel)
    channel.rtcp = addressOf(forward.value.mediaControlChannel)
    channel.stopped = forward.value.flowControlToZero ?? false
    channel.payloadType = forward.value.dynamicRTPPayloadType ?? channel.payloadType
  }
}

function sessionOf(open: OpenLogicalChannel): number {
  const { multiplexParameters } = open.forwardLogicalChannelParameters
  return multiplexParameters.type === 'h2250LogicalChannelParameters' ? multiplexParameters.value.sessionID : 0
}
