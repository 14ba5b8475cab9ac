/** What became of claims by how well they seemed to fit, over all swarms: whether a match that looks good is good. */
import type { JsonObject } from '#kernel'
import type { StateStore, WitnessedTransaction } from '#store'

/** Claims of one class that ended. */
export interface Tally extends JsonObject {
  readonly ended: number
  readonly completed: number
}

/** One tally for each class. */
export type Calibration = readonly Tally[]

/** Upper ends of fits below 1, then of margins where the fit is 1. */
const fits = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
const margins = [1.15, 1.35, 1.6]
const classes = fits.length + margins.length + 1
/** What is believed before anything is known weighs as much as so many claims. */
export const priorWeight = 8
/** No swarm counts for more claims of a class than this. */
const mostOfSwarm = 100
const nothing: Tally = { ended: 0, completed: 0 }
/** How old what is known of all swarms may be: each claim of each of them changes it. */
const keptMs = 10_000

const prefix = 'calibration/'
export const noCalibration: Calibration = Array.from({ length: classes }, () => nothing)

/** Class of a match. */
export function classOf(fit: number, margin: number): number {
  const at = fit < 1 ? fits.findIndex((end) => fit < end) : margins.findIndex((end) => margin < end)
  return fit < 1 ? at : fits.length + (at < 0 ? margins.length : at)
}

/** Adds a claim that ended to its swarm's part. */
export async function calibrate(
  transaction: WitnessedTransaction,
  swarm: string,
  ofClass: number,
  completed: boolean
): Promise<void> {
  const key = prefix + swarm
  const before = (await transaction.get<Tally[]>(key)) ?? noCalibration
  const add = (tally: Tally): Tally => ({ ended: tally.ended + 1, completed: tally.completed + (completed ? 1 : 0) })
  transaction.put(
    key,
    before.map((tally, at) => (at === ofClass ? add(tally) : tally))
  )
}

/** What all other swarms made of matches: its own claims are the trust in a swarm, and count once. */
export type CalibrationFor = (swarm: string) => Calibration

const combined = (a: Calibration, b: Calibration, sign: 1 | -1): Calibration =>
  a.map(({ ended, completed }, at) => ({
    ended: Math.max(0, ended + sign * b[at]!.ended),
    completed: Math.max(0, completed + sign * b[at]!.completed)
  }))

function capped(part: Calibration): Calibration {
  return part.map(({ ended, completed }) => {
    const kept = Math.min(1, mostOfSwarm / Math.max(1, ended))
    return { ended: ended * kept, completed: completed * kept }
  })
}

/**
 * Reads the parts of all swarms and adds them up, at most every 10 s: outside of the transactions of claims, which would otherwise all wait for each other.
 */
export function calibrationReader(store: Pick<StateStore, 'list'>): (at: number) => Promise<CalibrationFor> {
  let parts = new Map<string, Calibration>()
  let total = noCalibration
  let readAt = Number.NEGATIVE_INFINITY
  const others: CalibrationFor = (swarm) => {
    const own = parts.get(swarm)
    return own === undefined ? total : combined(total, own, -1)
  }
  return async (at) => {
    if (at >= readAt && at - readAt < keptMs) return others
    const { records } = await store.list(prefix)
    parts = new Map(records.map(({ key, value }) => [key.slice(prefix.length), capped(value as unknown as Calibration)]))
    total = [...parts.values()].reduce((sum, part) => combined(sum, part, 1), noCalibration)
    readAt = at
    return others
  }
}
