/**
 * Signatures of producers on their own entries, and who must have signed.
 *
 *     proxy-1.example/sip+1a2b3c4d+AW… IF.proxy IF.witness.sip      key, and the components that only it may speak for
 *
 * Signed is `infrafabric/entry/v1`, a line feed, and the canonical JSON of the entry without `index`, `prev`, `v` and `payload.signature`.
 *
 * @see RFC 8785, RFC 8032
 */
import { verify } from 'node:crypto'
import { InfraFabricError, messageOf } from '#kernel'
import { readVerifierKey, type VerifierKey } from './notes.ts'

export interface Producers {
  /** By eight hex digits; two producers may share those of a key's name. */
  readonly keys: ReadonlyMap<string, VerifierKey>
  /** Components, and the keys one of which must have signed each of their entries. */
  readonly components: ReadonlyMap<string, ReadonlySet<string>>
}

const mostLines = 10_000

/** @throws {InfraFabricError} `ledger.producers.malformed`, naming the line */
export function readProducers(text: string): Producers {
  const keys = new Map<string, VerifierKey>()
  const components = new Map<string, Set<string>>()
  const lines = text.split('\n')
  if (lines.length > mostLines)
    throw new InfraFabricError('ledger.producers.malformed', `producers: more than ${mostLines} lines`)
  for (const [number, line] of lines.entries()) {
    const [vkey, ...names] = line.trim().split(/[ \t]+/)
    if (vkey === '' || vkey!.startsWith('#')) continue
    let key: VerifierKey
    try {
      key = readVerifierKey(vkey!)
    } catch (cause) {
      const why = messageOf(cause)
      throw new InfraFabricError('ledger.producers.malformed', `producers, line ${number + 1}: ${why}`, { cause })
    }
    if (keys.has(key.id) && keys.get(key.id)!.text !== key.text)
      throw new InfraFabricError('ledger.producers.malformed', `producers, line ${number + 1}: a second key ${key.id}`)
    keys.set(key.id, key)
    for (const name of names) {
      const of = components.get(name) ?? new Set<string>()
      components.set(name, of.add(key.id))
    }
  }
  return { keys, components }
}

/** Canonical JSON of what `JSON.parse` gave: its numbers and texts are written as ECMAScript does, which is what RFC 8785 asks for. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Holds entries against the producers' keys, and counts. */
export function producerCheck({ keys, components }: Producers) {
  const counts = { signed: 0, unknown: 0 }
  return {
    /** What is wrong with an entry; null when nothing is. */
    take: (index: number, text: string): string | null => {
      const entry: unknown = JSON.parse(text)
      if (!isObject(entry) || !isObject(entry.payload)) return null
      const must = components.get(String(entry.component))
      const { signature, ...payload } = entry.payload
      const isSignature = isObject(signature) && typeof signature.key === 'string' && typeof signature.sig === 'string'
      const unsigned = `entry ${index} of ${String(entry.component)} is not signed by its producer`
      if (!isSignature) return must === undefined ? null : unsigned
      if (must !== undefined && !must.has(String(signature.key))) return unsigned
      const key = keys.get(String(signature.key))
      if (key === undefined) {
        counts.unknown++
        return null
      }
      const { index: _, prev: __, v: ___, ...told } = entry
      const octets = Buffer.from(`infrafabric/entry/v1\n${canonical({ ...told, payload })}`)
      const sig = Buffer.from(String(signature.sig), 'base64')
      if (sig.length !== 64 || !verify(null, octets, key.key, sig))
        return `the signature of entry ${index} is not one of ${key.name} on it`
      counts.signed++
      return null
    },
    note: (): string =>
      `${counts.signed} entries are signed by their producers${counts.unknown === 0 ? '' : `; ${counts.unknown} by keys that were not given`}`
  }
}
