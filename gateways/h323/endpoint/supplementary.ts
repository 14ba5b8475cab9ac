/** H.450 services of a call: transfer (.2), diversion (.3), hold (.4), message waiting (.7), as remote operations in FACILITY. */
import type { Clock } from '#kernel'
import type { AliasAddress } from '../h225/h225.ts'
import {
  argumentOf,
  callRerouting,
  callTransferInitiate,
  callTransferSetup,
  type DivertingLegInformation2Arg,
  divertingLegInformation2,
  type ErrorName,
  holdNotific,
  type Invoke,
  invoke,
  mwiActivate,
  mwiDeactivate,
  operationOf,
  problems,
  type ROS,
  remoteHold,
  remoteRetrieve,
  retrieveNotific,
  returnError,
  returnResult,
  supplementaryService,
  supplementaryServiceOf
} from '../h450/h450.ts'

export type SupplementaryTold =
  | { readonly type: 'held'; readonly held: boolean }
  /** The peer wants us to call somebody; `done` says what became of it. */
  | { readonly type: 'transferAsked'; readonly to: readonly AliasAddress[]; readonly done: (ok: boolean) => void }
  | { readonly type: 'transferAnswered'; readonly ok: boolean }
  /** The called side is to be found elsewhere; `supplementary` goes with the new SETUP. */
  | { readonly type: 'rerouted'; readonly to: readonly AliasAddress[]; readonly supplementary: readonly Uint8Array[] }
  | { readonly type: 'rerouteRefused'; readonly to: readonly AliasAddress[] }
  | { readonly type: 'messageWaiting'; readonly waiting: boolean; readonly count: number | null }

export interface SupplementaryPorts {
  readonly clock: Clock
  readonly send: (apdus: readonly Uint8Array[]) => void
  readonly told: (told: SupplementaryTold) => void
}

/** Milliseconds: T3 of H.450.2 (CT-T3), and for H.450.3 the time a caller has to answer a rerouting (T1). */
const timers = { transfer: 120_000, reroute: 5000 } as const
const mostPending = 8
const diversionReason = 'cfu'

interface PendingInvoke {
  readonly answered: (ok: boolean) => void
  readonly cancel: () => void
}

export class Supplementary {
  readonly #ports: SupplementaryPorts
  readonly #pending = new Map<number, PendingInvoke>()
  #nextInvokeId = 1
  #diversions = 0

  constructor(ports: SupplementaryPorts) {
    this.#ports = ports
  }

  close(): void {
    for (const { cancel } of this.#pending.values()) cancel()
    this.#pending.clear()
  }

  /** H.450.4 §6.2: near-end hold is only told. */
  hold(held: boolean): void {
    const operation = held ? holdNotific : retrieveNotific
    this.#ports.send([supplementaryServiceOf([invoke(operation, this.#id(), {})], 'discardAnyUnrecognizedInvokePdu')])
  }

  /** H.450.2 §7.1: this side is A. */
  transfer(to: readonly AliasAddress[]): void {
    const argument = { callIdentity: '', reroutingNumber: { destinationAddress: to } }
    this.#ask(
      (id) => invoke(callTransferInitiate, id, argument),
      timers.transfer,
      (ok) => this.#ports.told({ type: 'transferAnswered', ok })
    )
  }

  /** H.450.2 §7.1: what a transferred B sends to C with its SETUP. A C that does not know it takes the call all the same. */
  transferSetup(): Uint8Array {
    return supplementaryServiceOf(
      [invoke(callTransferSetup, this.#id(), { callIdentity: '' })],
      'discardAnyUnrecognizedInvokePdu'
    )
  }

  /** H.450.3 §8.1: this side, which is called, wants the caller to call somebody else. */
  reroute(to: readonly AliasAddress[], called: readonly AliasAddress[], calling: readonly AliasAddress[]): void {
    const argument = {
      reroutingReason: diversionReason,
      calledAddress: { destinationAddress: to },
      diversionCounter: Math.min(15, this.#diversions + 1),
      h225InfoElement: Buffer.from([0x04, 0x03, 0x80, 0x90, 0xa5]),
      lastReroutingNr: { destinationAddress: called },
      subscriptionOption: 'noNotification',
      callingNumber: { destinationAddress: calling }
    } as const
    this.#ask(
      (id) => invoke(callRerouting, id, argument),
      timers.reroute,
      (ok) => {
        if (!ok) this.#ports.told({ type: 'rerouteRefused', to })
      }
    )
  }

  /** H.450.7 §6: tells the peer, whose messages are kept here. */
  messageWaiting(waiting: boolean, served: readonly AliasAddress[], count: number): void {
    const servedUserNr = { destinationAddress: served }
    const operation = waiting
      ? invoke(mwiActivate, this.#id(), { servedUserNr, basicService: 'allServices', nbOfMessages: count })
      : invoke(mwiDeactivate, this.#id(), { servedUserNr, basicService: 'allServices' })
    this.#ports.send([supplementaryServiceOf([operation])])
  }

  /** One element of h4501SupplementaryService. @throws {DecodeError} */
  receive(octets: Uint8Array): void {
    const { serviceApdu, interpretationApdu } = supplementaryService.decode(octets)
    if (serviceApdu.type !== 'rosApdus') return
    const rejects = (interpretationApdu?.type ?? 'rejectAnyUnrecognizedInvokePdu') === 'rejectAnyUnrecognizedInvokePdu'
    for (const apdu of serviceApdu.value) this.#apdu(apdu, rejects)
  }

  #apdu(apdu: ROS, rejects: boolean): void {
    switch (apdu.type) {
      case 'invoke':
        this.#invoked(apdu.value, rejects)
        break
      case 'returnResult':
        this.#answered(Number(apdu.value.invokeId), true)
        break
      case 'returnError':
      case 'reject':
        this.#answered(Number(apdu.value.invokeId), false)
    }
  }

  #answered(id: number, ok: boolean): void {
    const entry = this.#pending.get(id)
    if (entry === undefined) return
    entry.cancel()
    this.#pending.delete(id)
    entry.answered(ok)
  }

  #invoked(value: Invoke, rejects: boolean): void {
    const { invokeId } = value
    switch (operationOf(value)) {
      case holdNotific:
      case retrieveNotific:
        this.#ports.told({ type: 'held', held: operationOf(value) === holdNotific })
        break
      case remoteHold:
        this.#ports.told({ type: 'held', held: true })
        this.#reply(returnResult(remoteHold, invokeId, {}))
        break
      case remoteRetrieve:
        this.#ports.told({ type: 'held', held: false })
        this.#reply(returnResult(remoteRetrieve, invokeId, {}))
        break
      case callTransferInitiate: {
        const argument = argumentOf(callTransferInitiate, value)
        if (argument === undefined) {
          this.#error(invokeId, 'insufficientInformation')
          break
        }
        const done = (ok: boolean): void => {
          if (ok) this.#reply(returnResult(callTransferInitiate, invokeId))
          else this.#error(invokeId, 'establishmentFailure')
        }
        this.#ports.told({ type: 'transferAsked', to: argument.reroutingNumber.destinationAddress, done })
        break
      }
      case callTransferSetup:
        // C of a transfer takes it as any call
        this.#reply(returnResult(callTransferSetup, invokeId))
        break
      case callRerouting: {
        const argument = argumentOf(callRerouting, value)
        if (argument === undefined) {
          this.#error(invokeId, 'insufficientInformation')
          break
        }
        const information: DivertingLegInformation2Arg = {
          diversionCounter: argument.diversionCounter,
          diversionReason: argument.reroutingReason,
          divertingNr: argument.lastReroutingNr
        }
        const apdu = supplementaryServiceOf(
          [invoke(divertingLegInformation2, this.#id(), information)],
          'discardAnyUnrecognizedInvokePdu'
        )
        this.#reply(returnResult(callRerouting, invokeId))
        this.#ports.told({ type: 'rerouted', to: argument.calledAddress.destinationAddress, supplementary: [apdu] })
        break
      }
      case divertingLegInformation2:
        this.#diversions = argumentOf(divertingLegInformation2, value)?.diversionCounter ?? 0
        break
      case mwiActivate: {
        const count = argumentOf(mwiActivate, value)?.nbOfMessages ?? null
        this.#ports.told({ type: 'messageWaiting', waiting: true, count })
        this.#reply(returnResult(mwiActivate, invokeId, []))
        break
      }
      case mwiDeactivate:
        this.#ports.told({ type: 'messageWaiting', waiting: false, count: 0 })
        this.#reply(returnResult(mwiDeactivate, invokeId, []))
        break
      default:
        if (rejects) {
          const problem = { type: 'invoke', value: problems.invoke.unrecognizedOperation } as const
          this.#reply({ type: 'reject', value: { invokeId, problem } })
        }
    }
  }

  #id(): number {
    const id = this.#nextInvokeId
    this.#nextInvokeId = id === 65_535 ? 1 : id + 1
    return id
  }

  #ask(build: (id: number) => ROS, ms: number, answered: (ok: boolean) => void): void {
    if (this.#pending.size >= mostPending) {
      answered(false)
      return
    }
    const id = this.#id()
    const cancel = this.#ports.clock.after(ms, () => this.#answered(id, false))
    this.#pending.set(id, { answered, cancel })
    this.#ports.send([supplementaryServiceOf([build(id)], 'rejectAnyUnrecognizedInvokePdu')])
  }

  #reply(apdu: ROS): void {
    this.#ports.send([supplementaryServiceOf([apdu])])
  }

  #error(invokeId: number, name: ErrorName): void {
    this.#reply(returnError(invokeId, name))
  }
}
