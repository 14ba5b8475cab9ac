/** What is decided about the sound of one call: which codec, when a channel opens, changes, and closes. */
import type { FlowControlCommand, MultimediaSystemControlMessage, OpenLogicalChannel } from '../h245/h245.ts'
import { canSend, digitCapabilities, entriesLike, type PeerCapabilities, type Receivable } from './capabilities.ts'
import { acceptAudio, acceptAudioBothWays, addressOf, type FastChannel, openAudio, openAudioBothWays } from './channels.ts'
import { bitRateOf, staticPayloadTypes } from './codecs.ts'
import { indication } from './entities/entity.ts'
import type { ChannelTold } from './entities/lcse.ts'
import type { Status } from './entities/msdse.ts'
import { type InChannel, LogicalChannels, type OutChannel } from './logical-channels.ts'
import type { Address, AudioCodec, LocalMedia, MediaTerms } from './media.ts'
import { judgeOffer } from './offers.ts'
import { h245Timers, type Outbox } from './outbox.ts'

export interface SoundSettings {
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

/** How often sound changes to the codec of the other way. */
const mostAdaptions = 2

export class Sound {
  /** All channels of the call. */
  readonly channels: LogicalChannels
  readonly #settings: SoundSettings
  readonly #now: Situation
  readonly #outbox: Outbox
  #local: LocalMedia | null = null
  #adaptions = 0
  /** What sound is sent in where the peer asked for it. */
  #wanted: AudioCodec | null = null
  #terms: MediaTerms | null = null

  /** @param now kept, and read again each time */
  constructor(settings: SoundSettings, now: Situation, outbox: Outbox) {
    this.#settings = settings
    this.#now = now
    this.#outbox = outbox
    this.channels = new LogicalChannels(outbox, {
      offered: (number, channel, open) => this.#decide(number, channel, open),
      opened: () => {
        this.agree()
        this.#checkSymmetry()
      },
      silenced: () => this.agree(),
      closed: (channel, why) => this.#closed(channel, why),
      heard: () => {
        this.agree()
        this.openSound()
        this.#checkSymmetry()
      }
    })
  }

  get local(): LocalMedia | null {
    return this.#local
  }

  get terms(): MediaTerms | null {
    return this.#terms
  }

  get isSending(): boolean {
    return this.#out() !== undefined
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

  /** Sound can be received from now on; channels are opened when the peer is ready for it. */
  setLocal(local: LocalMedia): void {
    this.#local = local
    for (const [number, channel] of this.channels.in) {
      if (channel.state === 'awaitingEstablishment' && channel.codec !== null) this.#answer(number, channel)
    }
    this.openSound()
  }

  /** Takes over what fast connect has opened. Numbers are as each sender chose them. */
  adopt(out: FastChannel | null, incoming: FastChannel | null): void {
    if (out !== null) {
      const { number, codec, rtp, rtcp, dynamicPayloadType: payloadType } = out
      this.channels.adoptOut(number, { open: openAudio(number, codec, this.#local!), codec, rtp, rtcp, payloadType })
    }
    if (incoming !== null) {
      const { number, codec, rtcp, dynamicPayloadType: payloadType } = incoming
      this.channels.adoptIn(number, { codec, rtcp, payloadType })
    }
    this.agree()
  }

  /** The channel of sound that is open from here, or is being opened. */
  #out(): [number, OutChannel] | undefined {
    return [...this.channels.out].find(([, { codec, state }]) => codec !== null && state !== 'released')
  }

  /** What comes here: a channel of the peer, or the way back of one for both ways of ours. */
  #in(): Pick<InChannel, 'codec' | 'payloadType' | 'rtcp'> | undefined {
    const channel = [...this.channels.in.values()].find(
      ({ codec, state }) => codec !== null && (state === 'established' || state === 'awaitingConfirmation')
    )
    return (
      channel ??
      [...this.channels.out.values()].find(({ bothWays, codec, state }) => bothWays && codec !== null && state === 'established')
    )
  }

  /** For each open channel from here that is not sound, the entries of the peer it may count as. */
  #beside(): number[][] {
    return [...this.channels.out.values()]
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
    if (!this.#now.isReady || this.#local === null || this.#out() !== undefined) return
    const comes = this.#in()?.codec ?? null
    const choice = [this.#wanted, comes, ...this.#local.codecs].find((codec) => codec !== null && this.canSend(codec))
    if (choice == null) return
    if (this.#now.status === 'slave' && comes === null && !now) {
      this.#outbox.start('symmetry', h245Timers.symmetry)
      return
    }
    this.#outbox.stop('symmetry')
    this.#open(choice)
  }

  #open(codec: AudioCodec): void {
    const local = this.#local!
    const number = this.channels.reserveNumbers(1)
    const { bothWays } = this.#settings
    const open = bothWays ? openAudioBothWays(number, codec, local) : openAudio(number, codec, local)
    this.channels.open({ open, bothWays, codec, payloadType: codec === 'opus' ? local.opusPayloadType : null })
  }

  closeOut(): void {
    for (const [number, channel] of this.channels.out) this.#releaseOut(number, channel)
  }

  #releaseOut(number: number, channel: OutChannel): void {
    if (channel.reverseOf !== null) this.channels.requestClose(channel.reverseOf)
    else if (channel.state !== 'awaitingRelease') this.channels.release(number)
  }

  /** Another codec: the channel is closed and opened again. */
  changeCodec(codec: AudioCodec): void {
    const sound = this.#out()
    if (sound === undefined) return
    const [number, channel] = sound
    if (channel.codec === codec && channel.state !== 'awaitingRelease') return
    channel.next = codec
    this.#releaseOut(number, channel)
  }

  /** The plane has one codec for both ways: a slave follows the master, a master follows a peer that does not. */
  symmetryDue(): void {
    const sound = this.#out()
    if (sound === undefined) {
      this.openSound(true)
      return
    }
    this.#follow()
  }

  #follow(): void {
    const out = this.#out()?.[1]
    const comes = this.#in()?.codec ?? null
    if (out === undefined || comes === null || out.codec === comes || !this.canSend(comes)) return
    // asked for by the peer, who follows then
    if (out.codec === this.#wanted) return
    if (this.#adaptions >= mostAdaptions) return
    this.#adaptions++
    this.changeCodec(comes)
  }

  #checkSymmetry(): void {
    const out = this.#out()?.[1]
    const comes = this.#in()?.codec ?? null
    if (!this.#now.isReady || out === undefined || comes === null || out.codec === comes) return
    if (this.#now.status === 'slave') this.#follow()
    else this.#outbox.start('symmetry', 2 * h245Timers.symmetry)
  }

  /** After new capabilities: what the peer does not receive any more is closed. */
  checkSending(): void {
    const sound = this.#out()
    if (sound === undefined || !this.#now.isReady) return
    const [number, { codec }] = sound
    if (codec === null || canSend(this.#now.peer, codec)) return
    const other = this.#local?.codecs.find((one) => this.canSend(one))
    if (other === undefined) this.#releaseOut(number, sound[1])
    else this.changeCodec(other)
  }

  #decide(number: number, channel: InChannel, open: OpenLogicalChannel): void {
    const verdict = judgeOffer(open, {
      codecs: (this.#local ?? this.#settings.receivable).codecs,
      passesOn: this.#settings.passesOn,
      holding: this.#now.holding,
      hasPrecedence: this.#now.status === 'master' && this.#out()?.[1].bothWays === true
    })
    switch (verdict.type) {
      case 'reject':
        this.channels.rejectChannel(number, verdict.cause)
        break
      case 'passOn':
        this.#outbox.tell({ type: 'channelOffered', open })
        break
      case 'sound':
        channel.codec = verdict.codec
        if (this.#local !== null) this.#answer(number, channel)
    }
  }

  #answer(number: number, channel: InChannel): void {
    const local = this.#local!
    const codec = channel.codec!
    if (!channel.bothWays) {
      this.channels.respond(number, acceptAudio(number, local, codec))
      return
    }
    const reverse = this.channels.reserveNumbers(1)
    this.channels.respond(number, acceptAudioBothWays(number, reverse, local, codec))
    const parameters = channel.open!.reverseLogicalChannelParameters!.multiplexParameters!
    if (parameters.type !== 'h2250LogicalChannelParameters') return
    const { mediaChannel, mediaControlChannel, dynamicRTPPayloadType } = parameters.value
    this.channels.adoptOut(reverse, {
      open: openAudio(reverse, codec, local),
      bothWays: true,
      codec,
      rtp: addressOf(mediaChannel),
      rtcp: addressOf(mediaControlChannel),
      payloadType: dynamicRTPPayloadType ?? null,
      reverseOf: number
    })
    this.agree()
  }

  #closed({ codec, next }: OutChannel, { by, cause }: Extract<ChannelTold, { type: 'released' }>): void {
    this.agree()
    if (cause === 'masterSlaveConflict') return
    if (this.#now.paused || this.#now.holding) return
    if (next !== null) this.#open(next)
    else if (by === 'peer') this.#tryNext(codec!)
  }

  /** The peer does not take this codec after all: the next one it names. */
  #tryNext(refused: AudioCodec): void {
    const codecs = this.#local?.codecs ?? []
    const next = codecs.slice(codecs.indexOf(refused) + 1).find((codec) => this.canSend(codec))
    if (next !== undefined) this.#open(next)
  }

  flowControl({ scope, restriction }: FlowControlCommand, message: MultimediaSystemControlMessage): void {
    const most = restriction.type === 'noRestriction' ? Number.POSITIVE_INFINITY : restriction.value
    const sound = this.#out()
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
    const out = [...this.channels.out.values()].find(({ codec, state }) => codec !== null && state === 'established')
    const comes = this.#in()
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
      remote: remote ?? rtpBeside(comes?.rtcp ?? null),
      sends: remote !== null && !out!.stopped,
      receives,
      eventPayloadType: digitCapabilities(this.#now.peer).eventPayloadType
    }
  }
}

/** RTP beside a port of RTCP, where nothing else is known of the peer. */
const rtpBeside = (rtcp: Address | null): { rtp: Address; rtcp: Address } | null =>
  rtcp === null || rtcp.port < 2 ? null : { rtp: { ip: rtcp.ip, port: rtcp.port - 1 }, rtcp }
