import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { StateStore } from '#store'
import type { Coordinator } from './coordinator.ts'
import { createLeadership } from './leadership.ts'

export interface SweeperConfig {
  /** Between two sweeps, milliseconds. */
  readonly everyMs: number
  /** After how long without a sign of the leader another takes over, milliseconds; at least twice `everyMs`. */
  readonly leaseMs: number
  /** What else is to be done now and then, by the leader alone. */
  readonly also?: () => Promise<void>
  readonly failed?: (error: unknown) => void
}

export interface SweeperFigures {
  readonly leading: boolean
  readonly sweeps: number
  /** Claims taken back, and tasks that failed by their deadline. */
  readonly expired: number
  /** Events brought to the ledger that others had left. */
  readonly delivered: number
  readonly failures: number
  /** How long the last sweep took; null before the first. */
  readonly lastMs: number | null
}

export interface Sweeper {
  readonly figures: () => SweeperFigures
  /** Finishes a sweep that is under way and gives leadership up. Idempotent. */
  readonly close: () => Promise<void>
}

/** Sweeps again and again, as one of many processes that would: the one that leads. */
export function startSweeper(store: StateStore, coordinator: Coordinator, config: SweeperConfig): Sweeper {
  const { everyMs, leaseMs, also, failed } = config
  const leadership = createLeadership(store, 'sweep', `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`, leaseMs)
  const figures = { leading: false, sweeps: 0, expired: 0, delivered: 0, failures: 0, lastMs: null as number | null }
  let timer: NodeJS.Timeout | null = null
  let closed = false

  const round = async (): Promise<void> => {
    try {
      figures.leading = await leadership.lead()
      if (!figures.leading) return
      const began = performance.now()
      const { expired, delivered } = await coordinator.sweep()
      await also?.()
      figures.sweeps++
      figures.expired += expired
      figures.delivered += delivered
      figures.lastMs = performance.now() - began
    } catch (error) {
      figures.failures++
      failed?.(error)
    }
  }
  let under = Promise.resolve()
  const next = (): void => {
    under = round().then(() => {
      if (!closed) timer = setTimeout(next, everyMs)
    })
  }
  next()
  return {
    figures: () => ({ ...figures }),
    close: async () => {
      if (closed) return under
      closed = true
      if (timer !== null) clearTimeout(timer)
      await under
      if (figures.leading) await leadership.resign().catch((error: unknown) => failed?.(error))
      figures.leading = false
    }
  }
}
