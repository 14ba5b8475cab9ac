/** What an H.245 session gives to the world, and how a table of states gives it. */
import { step, type Table, type TypedEvent } from '#kernel'
import type { Capability, MultimediaSystemControlMessage, OpenLogicalChannel } from '../h245/h245.ts'
import type { EntityEffect, H245Timer } from './entities/entity.ts'
import type { Status } from './entities/msdse.ts'
import type { Address, MediaTerms } from './media.ts'

/** Milliseconds. H.245 leaves the values to implementers; these are those of appendix III's order of size. */
export const h245Timers: Readonly<Record<H245Timer | 'symmetry', number>> = {
  T101: 30_000,
  T103: 30_000,
  T105: 5000,
  T106: 30_000,
  T108: 30_000,
  T109: 30_000,
  /** How long a slave waits for the master to choose the codec of both ways; a master that finds two codecs waits twice as long for the peer. */
  symmetry: 500
}

export type ControlEvent =
  /** Capabilities are exchanged both ways, and who is master is known. */
  | { readonly type: 'ready'; readonly status: Status }
  | { readonly type: 'capabilities'; readonly capabilities: readonly Capability[] }
  /** What channels of sound carry now. */
  | { readonly type: 'terms'; readonly terms: MediaTerms | null }
  | { readonly type: 'digit'; readonly digit: string; readonly durationMs: number | null }
  /** The peer wants no sound until it sends capabilities again. */
  | { readonly type: 'paused'; readonly paused: boolean }
  | { readonly type: 'answered' }
  | { readonly type: 'unanswered' }
  | { readonly type: 'modeTaken' }
  | { readonly type: 'modeRefused' }
  | { readonly type: 'endSession' }
  | { readonly type: 'failed'; readonly reason: 'capabilities' | 'masterSlave' }
  | { readonly type: 'message'; readonly message: MultimediaSystemControlMessage }
  /** A channel that is not sound, to be decided on by `acceptChannel` or `rejectChannel`. */
  | { readonly type: 'channelOffered'; readonly open: OpenLogicalChannel }
  | {
      readonly type: 'channelOpened'
      readonly number: number
      readonly own: boolean
      readonly rtp: Address | null
      readonly rtcp: Address | null
    }
  | { readonly type: 'channelClosed'; readonly number: number; readonly own: boolean }
  /** An event that its state does not allow, ignored. */
  | { readonly type: 'ignored'; readonly state: string; readonly event: string }

export type ControlEffect =
  | { readonly type: 'send'; readonly message: MultimediaSystemControlMessage }
  | { readonly type: 'start'; readonly timer: string; readonly ms: number }
  | { readonly type: 'stop'; readonly timer: string }
  | { readonly type: 'tell'; readonly event: ControlEvent }

/** Effects in the order in which they come. */
export class Outbox {
  #effects: ControlEffect[] = []
  #ended = false

  /** What was done since the last time. */
  take(): readonly ControlEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  /** Nothing is sent any more, and no timer started. */
  end(): void {
    this.#ended = true
    this.#effects = this.#effects.filter(({ type }) => type !== 'start')
  }

  send(message: MultimediaSystemControlMessage): void {
    if (!this.#ended) this.#effects.push({ type: 'send', message })
  }

  tell(event: ControlEvent): void {
    this.#effects.push({ type: 'tell', event })
  }

  start(timer: string, ms: number): void {
    if (!this.#ended) this.#effects.push({ type: 'start', timer, ms })
  }

  stop(timer: string): void {
    this.#effects.push({ type: 'stop', timer })
  }

  ignore(state: string, event: string): void {
    this.tell({ type: 'ignored', state, event })
  }

  /**
   * Gives an event to an entity and does what its table says.
   *
   * @param suffix of its timers, which tells entities of one kind apart
   */
  run<S extends string, E extends TypedEvent, Told, C>(
    table: Table<S, E, EntityEffect<Told>, C>,
    holder: { state: S },
    event: E,
    context: C,
    suffix: string,
    told: (told: Told) => void
  ): void {
    const { state, effects, allowed } = step(table, holder.state, event, context)
    if (!allowed) {
      this.ignore(holder.state, event.type)
      return
    }
    holder.state = state
    for (const effect of effects) {
      switch (effect.type) {
        case 'send':
          this.send(effect.message)
          break
        case 'start':
          this.start(effect.timer + suffix, h245Timers[effect.timer])
          break
        case 'stop':
          this.stop(effect.timer + suffix)
          break
        case 'tell':
          told(effect.told)
      }
    }
  }
}
