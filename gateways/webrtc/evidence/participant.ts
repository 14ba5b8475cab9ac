/**
 * Whoever sits on a seat, toward the evidence: a connection for data channels that comes back when it is lost, one channel and one link for each call. Pages
 * and agents are the same here; peer and socket are given by each.
 *
 *     participant   join (offer) ──▶         service
 *                   ◀── answer
 *                   ◀── channel (call, number)
 *                   opened ──▶               … and the handshake in the channel
 */
import type { Clock } from '#kernel'
import { EvidenceLink } from './link/link.ts'
import type { EvidenceChannel, EvidenceShelf, EvidenceSource, TransferProgress } from './link/link-ports.ts'
import { type EvidenceContext, type EvidenceOffer, receiptText } from './link/messages.ts'
import type { SessionState } from './link/session-machine.ts'
import type { EvidenceRefusalCode } from './names.ts'
import { createReceiptSigner, type ReceiptSigner } from './receipt-signer.ts'
import type { EvidencePageSignal, EvidenceServiceSignal } from './signals.ts'

/** A connection that carries data channels and nothing else. */
export interface DataPeer {
  readonly offer: () => Promise<string>
  readonly answered: (sdp: string) => Promise<void>
  /** Opens a channel, ordered and reliable, by a number that both sides know (RFC 8832 §4: no DCEP). */
  readonly open: (label: string, stream: number, opened: (channel: EvidenceChannel) => void, closed: () => void) => void
  /** Idempotent. */
  readonly close: () => void
}

/** What a data channel tells of what it has not sent yet, in browsers and in werift. @see W3C WebRTC §6.2 */
export interface BufferedChannel {
  readonly readyState: string
  readonly bufferedAmount: number
  readonly addEventListener: (type: 'bufferedamountlow' | 'close', listener: () => void) => void
  readonly removeEventListener: (type: 'bufferedamountlow' | 'close', listener: () => void) => void
}

/** Resolves when at most `highOctets` wait to be sent, or, after that was more, when the channel's own threshold is reached; at once when it is closed. */
export async function roomIn(channel: BufferedChannel, highOctets: number): Promise<void> {
  while (channel.readyState === 'open' && channel.bufferedAmount > highOctets)
    await new Promise<void>((resolve) => {
      const settle = () => {
        for (const type of ['bufferedamountlow', 'close'] as const) channel.removeEventListener(type, settle)
        resolve()
      }
      for (const type of ['bufferedamountlow', 'close'] as const) channel.addEventListener(type, settle)
    })
}

/** A WebSocket of the subprotocol `evidence.1`. */
export interface SignalSocket {
  /** What is said before it is open, or after it is closed, is lost. */
  readonly say: (text: string) => void
  /** Idempotent. */
  readonly close: () => void
}

export interface ParticipantPorts {
  readonly clock: Clock
  readonly newPeer: (state: (state: 'connected' | 'lost') => void) => DataPeer
  readonly newSocket: (on: {
    readonly open: () => void
    readonly message: (text: string) => void
    readonly close: () => void
  }) => SignalSocket
  readonly shelf: (call: string) => EvidenceShelf
  readonly onState: (call: string, state: SessionState) => void
  readonly onProgress: (call: string, progress: TransferProgress) => void
  readonly onContext: (call: string, context: EvidenceContext) => void
  /** The council has ended the session of a call, or broke its rules. */
  readonly onEnd: (call: string, reason: string) => void
  /** An offer of the council was refused here. */
  readonly onRefusal: (call: string, offer: Pick<EvidenceOffer, 'id' | 'name'>, code: EvidenceRefusalCode, reason: string) => void
}

/** Between attempts to come back. */
const pausesMs = [250, 1000, 2000, 4000]
const connectMs = 10_000

export class EvidenceParticipant {
  readonly #token: string
  readonly #ports: ParticipantPorts
  readonly #signer: Promise<ReceiptSigner> = createReceiptSigner()
  readonly #links = new Map<string, EvidenceLink>()
  #participant = ''
  #peer: DataPeer | null = null
  #socket: SignalSocket | null = null
  #attempt = 0
  #over = false
  #stopTimer = () => {}

  /** @param token of a seat that is taken */
  constructor(token: string, ports: ParticipantPorts) {
    this.#token = token
    this.#ports = ports
    void this.#open()
  }

  /** Offers a file in the call that is open; with several, in the newest. @returns the call; null where there is none */
  offer(source: EvidenceSource): string | null {
    const open = [...this.#links].reverse().find(([, { state }]) => state === 'ACTIVE' || state === 'DEGRADED')
    open?.[1].offer(source)
    return open?.[0] ?? null
  }

  /** Leaves for good. Idempotent. */
  end(): void {
    if (this.#over) return
    this.#over = true
    for (const link of this.#links.values()) link.end('left')
    this.#drop()
  }

  #drop(): void {
    this.#stopTimer()
    const [socket, peer] = [this.#socket, this.#peer]
    this.#socket = null
    this.#peer = null
    for (const link of this.#links.values()) link.lost()
    socket?.close()
    peer?.close()
  }

  #again(): void {
    this.#drop()
    if (this.#over) return
    const pause = pausesMs[Math.min(this.#attempt++, pausesMs.length - 1)]!
    this.#stopTimer = this.#ports.clock.after(pause, () => void this.#open())
  }

  async #open(): Promise<void> {
    let connected = false
    const mine = () => peer === this.#peer && !this.#over
    const lost = () => mine() && this.#again()
    const peer = this.#ports.newPeer((state) => {
      if (!mine()) return
      connected = state === 'connected'
      if (connected) this.#attempt = 0
      else this.#again()
    })
    this.#peer = peer
    this.#stopTimer = this.#ports.clock.after(connectMs, () => {
      if (!connected) lost()
    })
    const opened = Promise.withResolvers<void>()
    const say = (signal: EvidencePageSignal) => socket.say(JSON.stringify(signal))
    const socket = this.#ports.newSocket({
      open: opened.resolve,
      close: lost,
      message: (text) => {
        if (!mine()) return
        let signal: EvidenceServiceSignal
        try {
          signal = JSON.parse(text)
        } catch {
          lost()
          return
        }
        this.#take(peer, signal, say, lost)
      }
    })
    this.#socket = socket
    try {
      const [offer] = await Promise.all([peer.offer(), opened.promise])
      if (mine()) say({ type: 'join', token: this.#token, offer })
    } catch {
      lost()
    }
  }

  #take(peer: DataPeer, signal: EvidenceServiceSignal, say: (signal: EvidencePageSignal) => void, lost: () => void): void {
    if (signal.type === 'answer') {
      this.#participant = signal.participant
      peer.answered(signal.sdp).catch(lost)
    } else if (signal.type === 'channel') {
      const { call, stream } = signal
      peer.open(
        call,
        stream,
        (channel) =>
          void this.#signer.then((signer) => {
            if (peer !== this.#peer) return
            this.#linkOf(call, signer).attach(channel)
            say({ type: 'opened', call })
          }),
        () => {
          const link = this.#links.get(call)
          if (peer === this.#peer && link !== undefined && link.state !== 'CLOSED') link.lost()
        }
      )
    } else if (signal.code === 'seat.taken-over') this.end()
  }

  #linkOf(call: string, signer: ReceiptSigner): EvidenceLink {
    const known = this.#links.get(call)
    if (known !== undefined && known.state !== 'CLOSED') return known
    const ports = this.#ports
    const link = new EvidenceLink(
      { call, encoding: 'binary', key: signer.key },
      {
        clock: ports.clock,
        shelf: ports.shelf(call),
        sign: (receipt) => signer.sign(receiptText(call, this.#participant, receipt)),
        // the council's receipts are entries of the ledger
        acceptReceipt: async () => 'kept',
        onState: (state) => ports.onState(call, state),
        onProgress: (progress) => ports.onProgress(call, progress),
        onContext: (context) => ports.onContext(call, context),
        onEnd: (reason) => ports.onEnd(call, reason),
        onRefusal: (offer, code, reason) => ports.onRefusal(call, offer, code, reason)
      }
    )
    this.#links.set(call, link)
    return link
  }
}
