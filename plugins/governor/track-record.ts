/** Where it is kept what swarms made of their claims. */
import type { Capabilities } from '#coordinator'
import type { WitnessedTransaction } from '#store'
import { type History, noHistory, rootsOf, type SwarmRecord } from './match.ts'

/** Under it, the records of all swarms; of each by root of the taxonomy; of each by capability that was required. */
export const recordPrefixes = { all: 'record/', roots: 'history/', capabilities: 'skill/' } as const

const allKey = (swarm: string): string => recordPrefixes.all + swarm
export const rootKey = (swarm: string, root: string): string => `${recordPrefixes.roots}${swarm}/${root}`
const capabilityKey = (swarm: string, capability: string): string => `${recordPrefixes.capabilities}${swarm}/${capability}`

/** Of what a claim of a task that requires this tells when it ends. */
export const recordKeys = (swarm: string, requires: Capabilities): string[] => [
  allKey(swarm),
  ...rootsOf(requires).map((root) => rootKey(swarm, root)),
  ...Object.keys(requires).map((capability) => capabilityKey(swarm, capability))
]

/** What is known of a swarm with regard to a task that requires this. */
export async function recordIn(
  { get }: Pick<WitnessedTransaction, 'get'>,
  swarm: string,
  requires: Capabilities
): Promise<SwarmRecord> {
  const of = async (names: readonly string[], key: (swarm: string, name: string) => string) =>
    Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, (await get<History>(key(swarm, name))) ?? noHistory] as const))
    )
  return {
    all: (await get<History>(allKey(swarm))) ?? noHistory,
    roots: await of(rootsOf(requires), rootKey),
    capabilities: await of(Object.keys(requires), capabilityKey)
  }
}
