import type { WitnessedStore } from '#store'
import { eachRecord } from '../records.ts'
import { type DayEvidence, dayMs, type Evidence, type Reputation, reputationOf } from './reputation.ts'
import { evidenceKey, type SloViolation, violationsOf } from './slos.ts'

export interface ReputationOfDay {
  readonly day: string
  /** At the end of that day; of today, now. */
  readonly reputation: Reputation
  readonly evidence: DayEvidence
}

export interface Reputations {
  /** What the store knows of a swarm; the ledger knows the same. */
  readonly evidence: (swarm: string) => Promise<Evidence>
  readonly reputation: (swarm: string) => Promise<{ readonly at: number; readonly reputation: Reputation }>
  /** Each day on which something was judged, the newest first. */
  readonly reputationHistory: (swarm: string) => Promise<ReputationOfDay[]>
}

export function createReputations({ store }: WitnessedStore): Reputations {
  const evidence = async (swarm: string): Promise<Evidence> => {
    const days = new Map<string, DayEvidence>()
    const prefix = evidenceKey(swarm, '')
    for await (const { key, value } of eachRecord(store, prefix)) days.set(key.slice(prefix.length), value as DayEvidence)
    const broken: SloViolation[] = []
    for await (const { value } of eachRecord(store, violationsOf(swarm))) broken.push(value as SloViolation)
    return { days, broken: broken.map(({ at, until }) => ({ from: at, until })) }
  }
  const now = async (): Promise<number> => (await store.read([])).at
  return {
    evidence,
    reputation: async (swarm) => {
      const at = await now()
      return { at, reputation: reputationOf(await evidence(swarm), at) }
    },
    reputationHistory: async (swarm) => {
      const [all, at] = [await evidence(swarm), await now()]
      return [...all.days]
        .map(([day, ofDay]) => {
          const end = Math.min(Date.parse(day) + dayMs - 1, at)
          return { day, reputation: reputationOf(all, end), evidence: ofDay }
        })
        .sort((a, b) => (a.day < b.day ? 1 : -1))
    }
  }
}
