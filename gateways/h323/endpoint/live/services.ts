/** Supplementary services of a call and what the call does for them: hold, transfer, diversion, message waiting. */
import { type Clock, errorCode, type Log } from '#kernel'
import { causes } from '../../call/causes.ts'
import type { AliasAddress } from '../../h225/h225.ts'
import type { Call, CallEvent } from '../endpoint.ts'
import { Supplementary, type SupplementaryTold } from '../supplementary.ts'
import { aliasesOf, type Target, targetOf, targetOfAliases, textOfTarget } from '../target.ts'

export interface ServicesPorts {
  readonly clock: Clock
  readonly log: Log
  readonly send: (apdus: readonly Uint8Array[]) => void
  readonly emit: (event: CallEvent) => void
  readonly release: (cause: number) => void
  /** Calls somebody for a peer that was transferred; null where that cannot be now. @throws {InfraFabricError} */
  readonly dial: (target: Target, setupApdus: readonly Uint8Array[]) => Call | null
  /** The call goes to somebody else. */
  readonly redirect: (target: Target, setupApdus: readonly Uint8Array[]) => void
  /** Asks the caller in H.225.0 alone to call somebody else. */
  readonly askToRedirect: (target: Target) => void
}

export class CallServices {
  readonly #ports: ServicesPorts
  readonly #supplementary: Supplementary
  #peerHolds = false

  constructor(ports: ServicesPorts) {
    this.#ports = ports
    this.#supplementary = new Supplementary({
      clock: ports.clock,
      send: ports.send,
      told: (told) => this.#told(told)
    })
  }

  /** @throws {DecodeError} */
  receive(apdus: readonly Uint8Array[]): void {
    for (const apdu of apdus) this.#supplementary.receive(apdu)
  }

  /** Our own hold. */
  hold(held: boolean): void {
    this.#supplementary.hold(held)
  }

  /** The peer holds the call, as H.450.4 or an empty TCS says; told once. */
  peerHolds(held: boolean): void {
    if (this.#peerHolds === held) return
    this.#peerHolds = held
    this.#ports.emit({ type: 'held', held })
  }

  /** @throws {InfraFabricError} `h323.endpoint.target` */
  transfer(to: string): void {
    this.#supplementary.transfer(aliasesOf(targetOf(to)))
  }

  /** @throws {InfraFabricError} `h323.endpoint.target` */
  divert(to: string, called: readonly AliasAddress[], calling: readonly AliasAddress[]): void {
    this.#supplementary.reroute(aliasesOf(targetOf(to)), called, calling)
  }

  messageWaiting(count: number, served: readonly AliasAddress[]): void {
    this.#supplementary.messageWaiting(count > 0, served, count)
  }

  close(): void {
    this.#supplementary.close()
  }

  #told(told: SupplementaryTold): void {
    const { emit, release, redirect, askToRedirect } = this.#ports
    switch (told.type) {
      case 'held':
        this.peerHolds(told.held)
        break
      case 'transferAsked':
        this.#transferAsked(told.to, told.done)
        break
      case 'transferAnswered':
        emit({ type: 'transferred', ok: told.ok })
        if (told.ok) release(causes.normal)
        break
      case 'rerouted':
        redirect(targetOfAliases(told.to), told.supplementary)
        break
      case 'rerouteRefused':
        // a caller that does not know H.450.3 may know the FACILITY of H.225.0
        askToRedirect(targetOfAliases(told.to))
        break
      case 'messageWaiting':
        emit({ type: 'messageWaiting', waiting: told.waiting, count: told.count })
    }
  }

  /** H.450.2: this side calls somebody else; when that call is answered the peer is told, and this one ends. */
  #transferAsked(to: readonly AliasAddress[], done: (ok: boolean) => void): void {
    const target = targetOfAliases(to)
    const name = textOfTarget(target)
    let call: Call | null = null
    try {
      if (name !== '') call = this.#ports.dial(target, [this.#supplementary.transferSetup()])
    } catch (error) {
      this.#ports.log.info({ code: errorCode(error) }, 'transfer refused')
    }
    if (call === null) {
      done(false)
      return
    }
    this.#ports.emit({ type: 'transfer', to: name, call })
    call.connected.then(
      () => done(true),
      () => done(false)
    )
  }
}
