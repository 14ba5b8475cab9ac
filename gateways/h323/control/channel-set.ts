/** The logical channels of one call, and what is decided about sound: which codec, when a channel opens, changes, and closes. */
import type {
  FlowControlCommand,
  MultimediaSystemControlMessage,
  OpenLogicalChannel,
  OpenLogicalChannelAck
} from '../h245/h245.ts'
import {
  type IncomingBlcse,
  type IncomingBlcseEvent,
  type IncomingBlcseState,
  type IncomingBlcseTold,
  incomingBlcse,
  outgoingBlcse
} from './blcse.ts'
import { canSend, digitCapabilities, entriesLike, type PeerCapabilities, type Receivable } from './capabilities.ts'
import {
  acceptAudio,
  acceptAudioBothWays,
  addressOf,
  type FastChannel,
  openAudio,
  openAudioBothWays,
  transportAddress
} from './channels.ts'
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
} from './clcse.ts'
import { bitRateOf, staticPayloadTypes } from './codecs.ts'
import { indication, response } from './entity.ts'
import {
  type ChannelTold,
  incomingLcse,
  type OutgoingLcseEvent,
  type OutgoingLcseState,
  outgoingLcse,
  type RejectCause
} from './lcse.ts'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from './media.ts'
import type { Status } from './msdse.ts'
import { judgeOffer } from './offers.ts'
import { h245Timers, type Outbox } from './outbox.ts'

export interface ChannelSettings {
  /** What can be received, before addresses are known. */
  readonly receivable: Receivable
  /** Sound in one channel for both ways. */
  readonly bothWays: boolean
  /** Whether somebody decides about channels that are not sound. */
  readonly passesOn: boolean
}

/** What the rest of the session knows, as it is now. */
export interface Situation {
  readonly peer: PeerCapabilities
  readonly status: Status | null
  /** Capabilities are exchanged and the master is known: channels can be opened. */
  readonly isReady: boolean
  /** The peer wants no sound. */
  readonly paused: boolean
  /** This side wants none. */
  readonly holding: boolean
}

interface OutChannel {
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

interface InChannel {
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
/** How often sound changes to the codec of the other way. */
const mostAdaptions = 2
const firstFreeSession = 32

export class ChannelSet {
  readonly #settings: ChannelSettings
  readonly #now: Situation
  readonly #outbox: Outbox
  #local: LocalMedia | null = null
  #adaptions = 0
  /** What sound is sent in where the peer asked for it. */
  #wanted: AudioCodec | null = null
  #nextNumber = 1
  #nextSession = firstFreeSession
  #terms: MediaTerms | null = null
  readonly #out = new Map<number, OutChannel>()
  readonly #in = new Map<number, InChannel>()
  readonly #asked = new Map<number, { state: IncomingClcseState }>()

  /** @param now kept, and read again each time */
  constructor(settings: ChannelSettings, now: Situation, outbox: Outbox) {
    this.#settings = settings
    this.#now = now
    this.#outbox = outbox
  }

  get local(): LocalMedia | null {
    return this.#local
  }

  get terms(): MediaTerms | null {
    return this.#terms
  }

  get isSending(): boolean {
    return this.#soundOut() !== undefined
  }

  /** Both sides begin anew. */
  restart(): void {
    this.#adaptions = 0
  }

  /** Sends in this codec from now on, as the peer asked for. */
  prefer(codec: AudioCodec): void {
    this.#wanted = codec
    this.changeCodec(codec)
  }

  /** T103 of a channel of either side. */
  establishmentExpired(side: 'out' | 'in', number: number): void {
    const out = side === 'out' ? this.#out.get(number) : undefined
    const incoming = side === 'in' ? this.#in.get(number) : undefined
    if (out !== undefined) this.#outEvent(number, out, { type: 'T103' })
    if (incoming !== undefined) this.#inEvent(number, incoming, { type: 'T103' })
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

  /** Sound can be received from now on; channels are opened when the peer is ready for it. */
  setLocal(local: LocalMedia): void {
    this.#local = local
    for (const [number, channel] of this.#in) {
      if (channel.state === 'awaitingEstablishment' && channel.codec !== null) this.#answerAudio(number, channel)
    }
    this.openSound()
  }

  /** Takes over what fast connect has opened. Numbers are as each sender chose them. */
  adopt(out: FastChannel | null, incoming: FastChannel | null): void {
    const local = this.#local!
    if (out !== null) {
      this.#nextNumber = Math.max(this.#nextNumber, out.number + 1)
      this.#out.set(out.number, {
        state: 'established',
        open: openAudio(out.number, out.codec, local),
        bothWays: false,
        codec: out.codec,
        rtp: out.rtp,
        rtcp: out.rtcp,
        payloadType: out.dynamicPayloadType,
        stopped: false,
        next: null,
        reverseOf: null
      })
    }
    if (incoming !== null) {
      this.#in.set(incoming.number, {
        state: 'established',
        open: null,
        bothWays: false,
        codec: incoming.codec,
        closing: 'idle',
        payloadType: incoming.dynamicPayloadType,
        rtcp: incoming.rtcp
      })
    }
    this.agree()
  }

  /** Number for a channel that is proposed by fast connect. */
  reserveNumbers(count: number): number {
    const first = this.#nextNumber
    this.#nextNumber += count
    return first
  }

  /** Asks the sender to close a channel that comes here. */
  requestClose(number: number): void {
    const channel = this.#in.get(number)
    if (channel === undefined) return
    this.#outgoingClcseEvent(number, channel, { type: 'closeRequest' })
  }

  /** Opens a channel that is not sound. @param number reserved before @returns its number */
  openChannel(
    parameters: Pick<OpenLogicalChannel, 'forwardLogicalChannelParameters'>,
    number: number = this.reserveNumbers(1)
  ): number {
    const channel: OutChannel = {
      state: 'released',
      open: { forwardLogicalChannelNumber: number, ...parameters },
      bothWays: false,
      codec: null,
      rtp: null,
      rtcp: null,
      payloadType: null,
      stopped: false,
      next: null,
      reverseOf: null
    }
    this.#out.set(number, channel)
    this.#outEvent(number, channel, { type: 'establishRequest' })
    return number
  }

  closeChannel(number: number): void {
    const channel = this.#out.get(number)
    if (channel !== undefined && channel.codec === null) this.#outEvent(number, channel, { type: 'releaseRequest' })
  }

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
    this.#inEvent(number, channel, { type: 'establishResponse', ack })
    if (channel.state === 'established') this.#outbox.tell({ type: 'channelOpened', number, own: false, ...at })
  }

  rejectChannel(number: number, cause: RejectCause): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) this.#inEvent(number, channel, { type: 'releaseRequest', cause })
  }

  /** The channel of sound that is open from here, or is being opened. */
  #soundOut(): [number, OutChannel] | undefined {
    return [...this.#out].find(([, { codec, state }]) => codec !== null && state !== 'released')
  }

  /** What comes here: a channel of the peer, or the way back of one for both ways of ours. */
  #soundIn(): Pick<InChannel, 'codec' | 'payloadType' | 'rtcp'> | undefined {
    const channel = [...this.#in.values()].find(
      ({ codec, state }) => codec !== null && (state === 'established' || state === 'awaitingConfirmation')
    )
    return (
      channel ??
      [...this.#out.values()].find(({ bothWays, codec, state }) => bothWays && codec !== null && state === 'established')
    )
  }

  /** For each open channel from here that is not sound, the entries of the peer it may count as. */
  #beside(): number[][] {
    return [...this.#out.values()]
      .filter(({ codec, state }) => codec === null && state !== 'released')
      .map(({ open }) => {
        const { dataType } = open.forwardLogicalChannelParameters
        if (dataType.type === 'videoData') return entriesLike(this.#now.peer, 'video', dataType.value.type)
        if (dataType.type === 'data') return entriesLike(this.#now.peer, 'data', dataType.value.application.type)
        return []
      })
      .filter((entries) => entries.length > 0)
  }

  canSend(codec: AudioCodec): boolean {
    return this.#local?.codecs.includes(codec) === true && canSend(this.#now.peer, codec, this.#beside())
  }

  /** Opens the channel from here when everything is there for it. A slave lets the master choose the codec. */
  openSound(now = false): void {
    if (!this.#now.isReady || this.#local === null || this.#soundOut() !== undefined) return
    const comes = this.#soundIn()?.codec ?? null
    const choice = [this.#wanted, comes, ...this.#local.codecs].find((codec) => codec !== null && this.canSend(codec))
    if (choice == null) return
    if (this.#now.status === 'slave' && comes === null && !now) {
      this.#outbox.start('symmetry', h245Timers.symmetry)
      return
    }
    this.#outbox.stop('symmetry')
    this.#openOut(choice)
  }

  #openOut(codec: AudioCodec): void {
    const local = this.#local!
    const number = this.reserveNumbers(1)
    const { bothWays } = this.#settings
    const channel: OutChannel = {
      state: 'released',
      open: bothWays ? openAudioBothWays(number, codec, local) : openAudio(number, codec, local),
      bothWays,
      codec,
      rtp: null,
      rtcp: null,
      payloadType: codec === 'opus' ? local.opusPayloadType : null,
      stopped: false,
      next: null,
      reverseOf: null
    }
    this.#out.set(number, channel)
    this.#outEvent(number, channel, { type: 'establishRequest' })
  }

  closeOut(): void {
    for (const [number, channel] of this.#out) this.#releaseOut(number, channel)
  }

  #releaseOut(number: number, channel: OutChannel): void {
    if (channel.reverseOf !== null) this.requestClose(channel.reverseOf)
    else if (channel.state !== 'awaitingRelease') this.#outEvent(number, channel, { type: 'releaseRequest' })
  }

  /** Another codec: the channel is closed and opened again. */
  changeCodec(codec: AudioCodec): void {
    const sound = this.#soundOut()
    if (sound === undefined) return
    const [number, channel] = sound
    if (channel.codec === codec && channel.state !== 'awaitingRelease') return
    channel.next = codec
    this.#releaseOut(number, channel)
  }

  /** The plane has one codec for both ways: a slave follows the master, a master follows a peer that does not. */
  symmetryDue(): void {
    const sound = this.#soundOut()
    if (sound === undefined) {
      this.openSound(true)
      return
    }
    this.#follow()
  }

  #follow(): void {
    const out = this.#soundOut()?.[1]
    const comes = this.#soundIn()?.codec ?? null
    if (out === undefined || comes === null || out.codec === comes || !this.canSend(comes)) return
    // asked for by the peer, who follows then
    if (out.codec === this.#wanted) return
    if (this.#adaptions >= mostAdaptions) return
    this.#adaptions++
    this.changeCodec(comes)
  }

  #checkSymmetry(): void {
    const out = this.#soundOut()?.[1]
    const comes = this.#soundIn()?.codec ?? null
    if (!this.#now.isReady || out === undefined || comes === null || out.codec === comes) return
    if (this.#now.status === 'slave') this.#follow()
    else this.#outbox.start('symmetry', 2 * h245Timers.symmetry)
  }

  /** After new capabilities: what the peer does not receive any more is closed. */
  checkSending(): void {
    const sound = this.#soundOut()
    if (sound === undefined || !this.#now.isReady) return
    const [number, { codec }] = sound
    if (codec === null || canSend(this.#now.peer, codec)) return
    const other = this.#local?.codecs.find((one) => this.canSend(one))
    if (other === undefined) this.#releaseOut(number, sound[1])
    else this.changeCodec(other)
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

  #decide(number: number, channel: InChannel, open: OpenLogicalChannel): void {
    const { multiplexParameters } = open.forwardLogicalChannelParameters
    channel.open = open
    channel.bothWays = open.reverseLogicalChannelParameters !== undefined
    channel.codec = null
    if (multiplexParameters.type === 'h2250LogicalChannelParameters') {
      channel.rtcp = addressOf(multiplexParameters.value.mediaControlChannel)
      channel.payloadType = multiplexParameters.value.dynamicRTPPayloadType ?? null
    }
    const verdict = judgeOffer(open, {
      codecs: (this.#local ?? this.#settings.receivable).codecs,
      passesOn: this.#settings.passesOn,
      holding: this.#now.holding,
      hasPrecedence: this.#now.status === 'master' && this.#soundOut()?.[1].bothWays === true
    })
    switch (verdict.type) {
      case 'reject':
        this.#inEvent(number, channel, { type: 'releaseRequest', cause: verdict.cause })
        break
      case 'passOn':
        this.#outbox.tell({ type: 'channelOffered', open })
        break
      case 'sound':
        channel.codec = verdict.codec
        if (this.#local !== null) this.#answerAudio(number, channel)
    }
  }

  #answerAudio(number: number, channel: InChannel): void {
    const local = this.#local!
    const codec = channel.codec!
    if (!channel.bothWays) {
      this.#inEvent(number, channel, { type: 'establishResponse', ack: acceptAudio(number, local, codec) })
      return
    }
    const reverse = this.reserveNumbers(1)
    this.#inEvent(number, channel, { type: 'establishResponse', ack: acceptAudioBothWays(number, reverse, local, codec) })
    const parameters = channel.open!.reverseLogicalChannelParameters!.multiplexParameters!
    if (parameters.type !== 'h2250LogicalChannelParameters') return
    const { mediaChannel, mediaControlChannel, dynamicRTPPayloadType } = parameters.value
    this.#out.set(reverse, {
      state: 'established',
      open: openAudio(reverse, codec, local),
      bothWays: true,
      codec,
      rtp: addressOf(mediaChannel),
      rtcp: addressOf(mediaControlChannel),
      payloadType: dynamicRTPPayloadType ?? null,
      stopped: false,
      next: null,
      reverseOf: number
    })
    this.agree()
  }

  closed(number: number): void {
    const channel = this.#in.get(number)
    if (channel !== undefined) {
      this.#inEvent(number, channel, { type: 'closeLogicalChannel' })
      return
    }
    // one of ours: some peers close what they do not want to receive
    this.#outbox.send(response({ type: 'closeLogicalChannelAck', value: { forwardLogicalChannelNumber: number } }))
  }

  answered(number: number, event: OutgoingLcseEvent): void {
    const channel = this.#out.get(number)
    if (channel === undefined) {
      this.#outbox.ignore('outgoingLcse', event.type)
      return
    }
    this.#outEvent(number, channel, event)
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
    if (channel.state === 'awaitingRelease' && channel.codec !== null) this.agree()
  }

  #outTold(number: number, channel: OutChannel, told: ChannelTold): void {
    if (told.type === 'established') {
      this.#readAck(channel, told.ack)
      if (channel.codec === null) {
        this.#outbox.tell({ type: 'channelOpened', number, own: true, rtp: channel.rtp, rtcp: channel.rtcp })
        return
      }
      this.agree()
      this.#checkSymmetry()
      return
    }
    this.#out.delete(number)
    if (channel.codec === null) {
      this.#outbox.tell({ type: 'channelClosed', number, own: true })
      return
    }
    this.agree()
    if (told.cause === 'masterSlaveConflict') return
    if (channel.next !== null && !this.#now.paused && !this.#now.holding) {
      this.#openOut(channel.next)
      return
    }
    if (told.by === 'peer' && !this.#now.paused && !this.#now.holding) this.#tryNext(channel.codec)
  }

  /** The peer does not take this codec after all: the next one it names. */
  #tryNext(refused: AudioCodec): void {
    const codecs = this.#local?.codecs ?? []
    const next = codecs.slice(codecs.indexOf(refused) + 1).find((codec) => this.canSend(codec))
    if (next !== undefined) this.#openOut(next)
  }

  #readAck(channel: OutChannel, ack: OpenLogicalChannelAck): void {
    const forward = ack.forwardMultiplexAckParameters
    if (forward?.type === 'h2250LogicalChannelAckParameters') {
      channel.rtp = addressOf(forward.value.mediaChannel)
      channel.rtcp = addressOf(forward.value.mediaControlChannel)
      channel.stopped = forward.value.flowControlToZero ?? false
      channel.payloadType = forward.value.dynamicRTPPayloadType ?? channel.payloadType
    }
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
            return this.#decide(number, channel, told.open)
          case 'confirmed':
            return this.#heard(channel)
          case 'released': {
            if (channel.bothWays && channel.codec !== null) this.#dropReverse()
            if (channel.codec === null) this.#outbox.tell({ type: 'channelClosed', number, own: false })
            if (channel.state === 'released') this.#in.delete(number)
            this.agree()
          }
        }
      }
    )
    if (channel.state === 'released') this.#in.delete(number)
    if (event.type === 'establishResponse' && channel.codec !== null && !channel.bothWays) this.#heard(channel)
  }

  /** Sound comes from now on. */
  #heard(channel: InChannel): void {
    if (channel.codec === null) return
    this.agree()
    this.openSound()
    this.#checkSymmetry()
  }

  /** The way from here goes with the channel for both ways that the peer has closed. */
  #dropReverse(): void {
    for (const [number, { bothWays, state }] of this.#out) {
      if (bothWays && state === 'established') this.#out.delete(number)
    }
  }

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

  flowControl({ scope, restriction }: FlowControlCommand, message: MultimediaSystemControlMessage): void {
    const most = restriction.type === 'noRestriction' ? Number.POSITIVE_INFINITY : restriction.value
    const sound = this.#soundOut()
    if (scope.type === 'logicalChannelNumber' && scope.value !== sound?.[0]) {
      this.#outbox.tell({ type: 'message', message })
      return
    }
    if (sound === undefined || sound[1].codec === null) return
    const [number, channel] = sound
    const codec = channel.codec!
    const smaller = this.#local?.codecs.find((one) => bitRateOf[one] <= most && this.canSend(one))
    if (bitRateOf[codec] <= most) channel.stopped = false
    else if (smaller !== undefined) {
      this.prefer(smaller)
      return
    } else channel.stopped = true
    const value = { scope: { type: 'logicalChannelNumber', value: number }, restriction } as const
    this.#outbox.send(indication({ type: 'flowControlIndication', value }))
    this.agree()
  }

  /** What the plane is to do, told when it has changed. */
  agree(): void {
    const next = this.#currentTerms()
    if (JSON.stringify(next) === JSON.stringify(this.#terms)) return
    this.#terms = next
    this.#outbox.tell({ type: 'terms', terms: next })
  }

  #currentTerms(): MediaTerms | null {
    const out = [...this.#out.values()].find(({ codec, state }) => codec !== null && state === 'established')
    const comes = this.#soundIn()
    const codec = out?.codec ?? comes?.codec ?? null
    if (codec === null) return null
    const receives = comes?.codec === codec
    const numbers = [out?.payloadType, receives ? comes.payloadType : null, this.#local?.opusPayloadType]
    const payloadType = codec === 'opus' ? numbers.find((number) => number != null) : staticPayloadTypes[codec]
    if (payloadType === undefined || payloadType === null) return null
    const remote = out?.rtp == null ? null : { rtp: out.rtp, rtcp: out.rtcp }
    return {
      codec,
      payloadType,
      remote: remote ?? beside(comes?.rtcp ?? null),
      sends: remote !== null && !out!.stopped,
      receives,
      eventPayloadType: digitCapabilities(this.#now.peer).eventPayloadType
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

/** RTP beside a port of RTCP, where nothing else is known of the peer. */
const beside = (rtcp: Address | null): { rtp: Address; rtcp: Address } | null =>
  rtcp === null || rtcp.port < 2 ? null : { rtp: { ip: rtcp.ip, port: rtcp.port - 1 }, rtcp }

function sessionOf(open: OpenLogicalChannel): number {
  const { multiplexParameters } = open.forwardLogicalChannelParameters
  return multiplexParameters.type === 'h2250LogicalChannelParameters' ? multiplexParameters.value.sessionID : 0
}
