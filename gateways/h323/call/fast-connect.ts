/** Fast connect of one call (H.323 §8.1.7): what is proposed with SETUP, and how it is answered. No socket, no clock. */
import { chooseProposals, fastAnswer, proposals, readFastStart } from '../control/channels.ts'
import type { LocalMedia } from '../control/media.ts'
import type { ControlSession } from '../control/session.ts'
import type { OpenLogicalChannel } from '../h245/h245.ts'
import { openLogicalChannel } from '../h245/pdus.ts'
import type { Extras } from './messages.ts'

/** A caller has proposed, to a called side it was offered. */
export type FastConnectState = 'none' | 'proposed' | 'offered' | 'accepted' | 'refused'

const decoded = (fastStart: readonly Uint8Array[]): OpenLogicalChannel[] =>
  fastStart.map((octets) => openLogicalChannel.decode(octets))
const encoded = (channels: readonly OpenLogicalChannel[]): Uint8Array[] => channels.map((open) => openLogicalChannel.encode(open))

export class FastConnect {
  readonly #control: Pick<ControlSession, 'reserveNumbers' | 'setLocal' | 'adopt'>
  #state: FastConnectState = 'none'
  /** Of either side. */
  #proposals: readonly OpenLogicalChannel[] = []
  #toSend: Pick<Extras, 'fastStart' | 'fastConnectRefused'> | null = null

  /** @param control takes over the channels that are agreed on */
  constructor(control: Pick<ControlSession, 'reserveNumbers' | 'setLocal' | 'adopt'>) {
    this.#control = control
  }

  get state(): FastConnectState {
    return this.#state
  }

  /** It is decided, and the peer knows: H.245 may begin. */
  get isSettled(): boolean {
    return this.#state !== 'proposed' && this.#state !== 'offered' && this.#toSend === null
  }

  // the caller

  /** @returns fastStart of the SETUP */
  propose(local: LocalMedia): Uint8Array[] {
    this.#proposals = proposals(local, this.#control.reserveNumbers(local.codecs.length))
    this.#state = 'proposed'
    return encoded(this.#proposals)
  }

  /** @param value body of a message of the called side. @throws {DecodeError} */
  answered(value: object): void {
    if (this.#state !== 'proposed') return
    const { fastStart, fastConnectRefused } = value as { fastStart?: readonly Uint8Array[]; fastConnectRefused?: null }
    if (fastConnectRefused !== undefined) {
      this.#state = 'refused'
      return
    }
    if (fastStart === undefined || fastStart.length === 0) return
    const { forward, reverse } = readFastStart(decoded(fastStart))
    const proposed = readFastStart(this.#proposals)
    const out = forward.find(({ codec, rtp }) => rtp !== null && proposed.forward.some((one) => one.codec === codec)) ?? null
    const back = reverse.find(({ codec }) => proposed.reverse.some((one) => one.codec === codec)) ?? null
    if (out === null && back === null) {
      this.#state = 'refused'
      return
    }
    this.#state = 'accepted'
    // numbers of answers need not be those of proposals: ours go by the codec
    const number = out === null ? 0 : (proposed.forward.find(({ codec }) => codec === out.codec)?.number ?? out.number)
    this.#control.adopt(out === null ? null : { ...out, number }, back)
  }

  /** Proposals without an answer are void. */
  giveUp(): void {
    if (this.#state === 'proposed') this.#state = 'refused'
  }

  // the called side

  /** @param wanted false refuses at once. @throws {DecodeError} */
  offered(fastStart: readonly Uint8Array[], wanted: boolean): void {
    this.#proposals = decoded(fastStart)
    if (wanted) this.#state = 'offered'
    else this.#refuse()
  }

  /** Answers what is offered, now that it is known where sound is received. */
  answer(local: LocalMedia): void {
    if (this.#state !== 'offered') return
    const chosen = chooseProposals(this.#proposals, local)
    if (chosen === null) {
      this.#refuse()
      return
    }
    this.#state = 'accepted'
    const number = this.#control.reserveNumbers(1)
    this.#toSend = { fastStart: encoded(fastAnswer(chosen, number, local)) }
    this.#control.setLocal(local)
    this.#control.adopt({ ...chosen.reverse, number }, chosen.forward)
  }

  #refuse(): void {
    this.#state = 'refused'
    this.#toSend = { fastConnectRefused: true }
  }

  /** What goes with the next answer to the SETUP, once. */
  takeAnswer(): Pick<Extras, 'fastStart' | 'fastConnectRefused'> {
    const taken = this.#toSend ?? {}
    this.#toSend = null
    return taken
  }
}
