/**
 * Who must have seen a checkpoint before it counts.
 *
 *     log council.example/witness+1a2b3c4d+AW…
 *     witness seat-1 guardian-1.example+…+BG… https://guardian-1.example
 *     witness seat-2 guardian-2.example+…+BH…
 *     group council any seat-1 seat-2
 *     quorum council
 *
 * @see C2SP tlog-policy
 */
import { InfraFabricError, messageOf } from '#kernel'
import { type CheckpointNote, cosignedAt, keyTypes, readVerifierKey, type VerifierKey } from './notes.ts'

type Component = { readonly witness: VerifierKey } | { readonly threshold: number; readonly members: readonly string[] }

export interface QuorumPolicy {
  readonly logs: readonly VerifierKey[]
  /** Witnesses and groups by name. A group's members stand before it, so there are no circles. */
  readonly components: ReadonlyMap<string, Component>
  /** Name of a component; null when none is asked for. */
  readonly quorum: string | null
}

const mostLines = 10_000

/** @throws {InfraFabricError} `ledger.policy.malformed`, naming the line */
export function readPolicy(text: string): QuorumPolicy {
  const logs: VerifierKey[] = []
  const components = new Map<string, Component>()
  const used = new Set<string>()
  let quorum: string | null | undefined
  const lines = text.split('\n')
  if (lines.length > mostLines) throw new InfraFabricError('ledger.policy.malformed', `policy: more than ${mostLines} lines`)
  for (const [number, line] of lines.entries()) {
    const fail = (problem: string): never => {
      throw new InfraFabricError('ledger.policy.malformed', `policy, line ${number + 1}: ${problem}`)
    }
    const key = (vkey: string | undefined, type: number): VerifierKey => {
      try {
        return readVerifierKey(vkey ?? '', type)
      } catch (error) {
        return fail(messageOf(error))
      }
    }
    const member = (name: string): string => {
      if (!components.has(name)) fail(`${JSON.stringify(name)} is not defined above`)
      if (used.has(name)) fail(`${JSON.stringify(name)} is a member twice`)
      used.add(name)
      return name
    }
    const define = (name: string | undefined, component: Component) => {
      if (name === undefined || name === 'none') return fail('a name is missing')
      if (components.has(name)) fail(`${JSON.stringify(name)} is defined twice`)
      components.set(name, component)
    }
    const [word, name, ...rest] = line.trim().split(/[ \t]+/)
    if (word === '' || word!.startsWith('#')) continue
    if (word === 'log') logs.push(key(name, keyTypes.ed25519))
    else if (word === 'witness') define(name, { witness: key(rest[0], keyTypes.cosignatureV1) })
    else if (word === 'group') {
      const members = rest.slice(1).map(member)
      const threshold = rest[0] === 'any' ? 1 : rest[0] === 'all' ? members.length : Number(rest[0])
      if (!Number.isInteger(threshold) || threshold < 1 || threshold > members.length) fail('a threshold that cannot be met')
      define(name, { threshold, members })
    } else if (word === 'quorum') {
      if (quorum !== undefined) fail('a second quorum')
      if (name === undefined || (name !== 'none' && !components.has(name))) fail('a quorum that is not defined above')
      quorum = name === 'none' ? null : name!
    } else fail(`${JSON.stringify(word)} is not known`)
  }
  if (quorum === undefined) throw new InfraFabricError('ledger.policy.malformed', 'policy: no quorum line')
  return { logs, components, quorum }
}

/** Whether the cosignatures of a checkpoint meet the policy's quorum. */
export function meetsQuorum(note: CheckpointNote, { components, quorum }: QuorumPolicy): boolean {
  const met = (name: string): boolean => {
    const component = components.get(name)!
    return 'witness' in component
      ? cosignedAt(note, component.witness) !== null
      : component.members.filter(met).length >= component.threshold
  }
  return quorum === null || met(quorum)
}

/** Witnesses of the policy that cosigned none of these notes of one head, and when the last of the others did, in seconds since 1970; null where none did. */
export function cosignersOf(
  notes: readonly CheckpointNote[],
  { components }: QuorumPolicy
): { readonly missing: readonly string[]; readonly lastS: number | null } {
  const missing: string[] = []
  let lastS: number | null = null
  for (const [name, component] of components) {
    if (!('witness' in component)) continue
    const times = notes.map((note) => cosignedAt(note, component.witness)).filter((time) => time !== null)
    if (times.length === 0) missing.push(name)
    else lastS = Math.max(lastS ?? 0, ...times)
  }
  return { missing, lastS }
}

/** What a cosignature's time, in seconds since 1970, tells an auditor. */
export const newestCosignature = (timeS: number): string =>
  `the newest cosignature is of ${new Date(timeS * 1000).toISOString().slice(0, 19)}Z: what was recorded since is not shown here`
