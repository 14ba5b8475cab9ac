import type { RasMessage } from '../../h225/h225.ts'
import type { Address } from '../addresses.ts'
import { textOfAddress } from '../addresses.ts'
import { type GatekeeperConfig, resolveConfig } from '../config.ts'
import { createZone, takeMessage, takeResponse, tick } from '../core.ts'
import type { Effect, Zone } from '../zone.ts'
import { decision } from './fakes.ts'

/** A zone without sockets and clock: decisions, records and claims come when the test says, in any order. */
export interface Simulation {
  readonly zone: Zone
  readonly answers: { readonly to: string; readonly message: RasMessage }[]
  readonly sent: { readonly to: string; readonly message: RasMessage }[]
  /** Names of the events recorded. */
  readonly recorded: string[]
  now: number
  readonly receive: (message: RasMessage, from: Address) => void
  /** Continuations that wait. */
  readonly waiting: () => number
  /** Lets the nth of those that wait go on; `fails` is a refusal, a ledger or store out of reach. */
  readonly settle: (at: number, fails?: boolean) => void
  readonly settleAll: () => void
  /** Moves time on in steps of half a second. */
  readonly pass: (ms: number) => void
  readonly perform: (effects: readonly Effect[]) => void
}

export function simulate(config: Partial<GatekeeperConfig>, endpointId: () => string): Simulation {
  const settings = resolveConfig({ bind: { ip: '127.0.0.1', port: 1719 }, domain: 'council.example', ...config })
  let traces = 0
  const ids = { endpointId, traceId: () => (++traces).toString(16).padStart(32, '0') }
  const zone = createZone(settings, { ip: '127.0.0.1', port: 1719 }, ids)
  const pending: ((fails: boolean) => readonly Effect[])[] = []
  const simulation: Simulation = {
    zone,
    answers: [],
    sent: [],
    recorded: [],
    now: 1_000_000,
    waiting: () => pending.length,
    perform(effects) {
      for (const effect of effects) {
        if (effect.type === 'answer') simulation.answers.push({ to: textOfAddress(effect.origin.from), message: effect.message })
        else if (effect.type === 'send') simulation.sent.push({ to: textOfAddress(effect.to), message: effect.message })
        else if (effect.type === 'claim')
          pending.push((fails) => effect.next(fails ? null : { state: 'claimed' }, simulation.now))
        else if (effect.type === 'decide')
          pending.push((fails) => effect.next(decision(fails ? 'reject' : 'approve'), simulation.now))
        else if (effect.type === 'record') {
          simulation.recorded.push(effect.event.event)
          const { next } = effect
          if (next !== undefined) pending.push((fails) => next(!fails, simulation.now))
        }
      }
    },
    receive(message, from) {
      const response = takeResponse(zone, message, from, simulation.now)
      const origin = { from, key: '', size: 100, user: null, sendersId: null }
      simulation.perform(response ?? takeMessage(zone, message, origin, simulation.now, new Uint8Array(), false))
    },
    settle(at, fails = false) {
      const [next] = pending.splice(at, 1)
      if (next !== undefined) simulation.perform(next(fails))
    },
    settleAll() {
      while (pending.length > 0) simulation.settle(0)
    },
    pass(ms) {
      for (const end = simulation.now + ms; simulation.now < end; ) {
        simulation.now += 500
        simulation.perform(tick(zone, simulation.now))
      }
    }
  }
  return simulation
}
