/** Whether a call may be: the gatekeeper admits it (ARQ, later DRQ), or it is judged here. */
import { type CallContext, errorCode } from '#kernel'
import { causeOfAdmissionReject, causes } from '../../call/causes.ts'
import type { CallIdentity } from '../../call/messages.ts'
import { type Address, addressOf } from '../../gatekeeper/addresses.ts'
import type { AliasAddress } from '../../h225/h225.ts'
import type { ReportedCall } from '../registrar.ts'
import type { CallWorld } from './world.ts'

export interface AdmissionQuestion {
  readonly identity: CallIdentity
  readonly from: string
  readonly to: string
  /** Whom the call is for. */
  readonly destination: readonly AliasAddress[]
  /** Aliases of the peer that calls; empty for our own calls. */
  readonly source: readonly AliasAddress[]
  /** Of the peer: where a call goes to, or where one says that it comes from. */
  readonly address: Address | null
  /** The other end of the signalling connection; null where there is none yet. */
  readonly connectedTo: Address | null
}

export type AdmissionAnswer =
  /** Where the gatekeeper says that the call goes, and whom it is for; null where it says nothing. */
  | { readonly ok: true; readonly address: Address | null; readonly destination: readonly AliasAddress[] | null }
  | { readonly ok: false; readonly cause: number }

export class CallAdmission {
  readonly #world: Pick<CallWorld, 'admit' | 'judge' | 'disengage' | 'own' | 'listen'>
  readonly #context: CallContext
  readonly #inbound: boolean
  #bandwidth: number
  #admitted: CallIdentity | null = null
  #isClosed = false

  /** @param bandwidth units of 100 bit/s */
  constructor(
    world: Pick<CallWorld, 'admit' | 'judge' | 'disengage' | 'own' | 'listen'>,
    context: CallContext,
    inbound: boolean,
    bandwidth: number
  ) {
    this.#world = world
    this.#context = context
    this.#inbound = inbound
    this.#bandwidth = bandwidth
  }

  /** Units of 100 bit/s; what the gatekeeper grants may be less than what was asked for. */
  get bandwidth(): number {
    return this.#bandwidth
  }

  /** The call as RAS knows it. */
  report({ callReference, callIdentifier, conferenceId }: CallIdentity): ReportedCall {
    return { callReference, callIdentifier, conferenceId, isOriginator: !this.#inbound, bandwidth: this.#bandwidth }
  }

  async ask(question: AdmissionQuestion): Promise<AdmissionAnswer> {
    const { admit, judge } = this.#world
    if (admit !== null) return this.#askGatekeeper(admit, question)
    const { from, to, address, connectedTo } = question
    const inbound = this.#inbound
    if (judge !== null && !(await judge(this.#context, { inbound, from, to, address: connectedTo ?? address }))) {
      return { ok: false, cause: causes.rejected }
    }
    return { ok: true, address: null, destination: null }
  }

  async #askGatekeeper(admit: NonNullable<CallWorld['admit']>, question: AdmissionQuestion): Promise<AdmissionAnswer> {
    const { own, listen } = this.#world
    const { identity, destination, source, address, connectedTo } = question
    const { callReference, callIdentifier, conferenceId } = identity
    const answering = this.#inbound
    const admission = await admit({
      answering,
      destination: answering && destination.length === 0 ? own.aliases : destination,
      destCallSignalAddress: answering ? listen : address,
      source: answering ? source : own.aliases,
      srcCallSignalAddress: answering ? (address ?? connectedTo) : listen,
      callReference,
      callIdentifier,
      conferenceId,
      bandwidth: this.#bandwidth
    })
    if (!admission.ok) {
      this.#context.log.info({ reason: admission.reason }, 'admission refused')
      return { ok: false, cause: causeOfAdmissionReject(admission.reason) }
    }
    const { bandWidth, destCallSignalAddress, destinationInfo } = admission.confirm
    this.#admitted = identity
    this.#bandwidth = Math.min(this.#bandwidth, bandWidth)
    // confirmed too late: the call is over
    if (this.#isClosed) this.disengage(false)
    return { ok: true, address: addressOf(destCallSignalAddress), destination: destinationInfo ?? null }
  }

  /** Tells the gatekeeper that what it admitted is over. Idempotent. */
  disengage(answered: boolean): void {
    const identity = this.#admitted
    if (identity === null) return
    this.#admitted = null
    this.#world
      .disengage({ ...this.report(identity), answered })
      .catch((error: unknown) => this.#context.log.debug({ code: errorCode(error) }, 'disengage'))
  }

  close(answered: boolean): void {
    this.#isClosed = true
    this.disengage(answered)
  }
}
