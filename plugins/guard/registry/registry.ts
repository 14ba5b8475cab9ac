import { ConfigError, messageOf } from '#kernel'
import { pathText, readYaml } from '#kernel/yaml'
import { type PublicKey, readPublicKey } from '../signature/keys.ts'
import { addressKey, parseAddressOfRecord } from '../sip-uri.ts'
import { registrySchema } from './schema.ts'

/** An expert or a Guardian. */
export interface Party {
  readonly role: 'expert' | 'guardian'
  readonly id: string
  readonly uri: string
  readonly organisation: string | null
  /** Hazards an expert is called for; empty for a Guardian. */
  readonly specialisations: readonly string[]
  readonly key: PublicKey | null
  readonly certificateIdentity: string | null
  readonly digestUser: string
  readonly signature: 'required' | 'optional'
  /** SIP URI at which the party is called out; null for `uri`. */
  readonly contact: string | null
  /** The phone registers at the edge, and is called where it has. */
  readonly registers: boolean
  /** Speaks against the prevailing view; false for a Guardian. */
  readonly contrarian: boolean
}

/** An immutable registry: a reload makes another one. */
export interface Registry {
  readonly parties: readonly Party[]
  readonly byId: (id: string) => Party | undefined
  /** By SIP URI, compared as addresses of record (see `addressKey`). */
  readonly byUri: (uri: string) => Party | undefined
  /** Experts called for a hazard, in the order of the file. */
  readonly bySpecialisation: (hazard: string) => readonly Party[]
}

const largestFile = 4 * 1024 * 1024

/**
 * Reads a registry file.
 *
 * @param source name of the file, for messages.
 * @param hazards hazard names that a specialisation may have.
 * @throws {ConfigError} with every problem found, each as `line N: path: what is wrong`
 */
export function parseRegistry(text: string, source: string, hazards: readonly string[]): Registry {
  const { content, problem, failIfAny } = readYaml(text, source, largestFile, (line) => `line ${line}`)
  const read = registrySchema.safeParse(content)
  if (!read.success) {
    for (const issue of read.error.issues) {
      if (issue.code === 'unrecognized_keys') for (const key of issue.keys) problem([...issue.path, key], 'unknown field')
      else problem(issue.path, issue.message)
    }
    failIfAny()
    throw new ConfigError(source, ['not a registry'])
  }

  const taken = { id: new Map<string, string>(), uri: new Map(), digestUser: new Map(), publicKey: new Map() }
  const unique = (kind: keyof typeof taken, value: string, path: readonly PropertyKey[]): void => {
    const first = taken[kind].get(value)
    if (first !== undefined) problem(path, `already used by ${first}`)
    else taken[kind].set(value, pathText(path.slice(0, -1)))
  }
  const readParty = (role: Party['role'], entry: RegistryEntry, path: readonly PropertyKey[]): Party => {
    unique('id', entry.id, [...path, 'id'])
    unique('digestUser', entry.digestUser, [...path, 'digestUser'])
    const address = addressKey(entry.uri)
    if (address === null || parseAddressOfRecord(entry.uri)!.user === null) {
      problem([...path, 'uri'], 'expected a SIP URI with a user, such as sip:expert@example.org')
    } else if (entry.uri.includes(';')) problem([...path, 'uri'], 'URI parameters have no place in an identity')
    else unique('uri', address, [...path, 'uri'])
    let key: PublicKey | null = null
    if (entry.publicKey !== null) {
      try {
        key = readPublicKey(entry.publicKey)
        unique('publicKey', key.id, [...path, 'publicKey'])
      } catch (error) {
        problem([...path, 'publicKey'], messageOf(error))
      }
    } else if (entry.signature === 'required')
      problem([...path, 'signature'], 'required, but there is no publicKey to verify it with')
    const specialisations = entry.specialisations ?? []
    for (const [index, hazard] of specialisations.entries()) {
      if (!hazards.includes(hazard))
        problem([...path, 'specialisations', index], `unknown hazard; known are ${hazards.join(', ')}`)
      else if (specialisations.indexOf(hazard) !== index) problem([...path, 'specialisations', index], 'given twice')
    }
    const registers = entry.contact === 'registered'
    const contact = registers ? null : (entry.contact ?? null)
    if (contact !== null && parseAddressOfRecord(contact) === null) problem([...path, 'contact'], 'expected a SIP URI')
    return Object.freeze({
      role,
      id: entry.id,
      uri: entry.uri,
      organisation: entry.organisation,
      specialisations: Object.freeze(specialisations),
      key,
      certificateIdentity: entry.certificateIdentity,
      digestUser: entry.digestUser,
      signature: entry.signature,
      contact,
      registers,
      contrarian: entry.contrarian ?? false
    })
  }
  const parties = [
    ...read.data.experts.map((entry, index) => readParty('expert', entry, ['experts', index])),
    ...read.data.guardians.map((entry, index) => readParty('guardian', entry, ['guardians', index]))
  ]
  failIfAny()
  return indexRegistry(parties)
}

interface RegistryEntry {
  readonly id: string
  readonly uri: string
  readonly organisation: string | null
  readonly specialisations?: string[]
  readonly publicKey: string | null
  readonly certificateIdentity: string | null
  readonly digestUser: string
  readonly signature: 'required' | 'optional'
  readonly contact?: string | null
  readonly contrarian?: boolean
}

function indexRegistry(parties: readonly Party[]): Registry {
  const byId = new Map(parties.map((party) => [party.id, party]))
  const byUri = new Map(parties.map((party) => [addressKey(party.uri), party]))
  const bySpecialisation = new Map<string, Party[]>()
  for (const party of parties) {
    for (const hazard of party.specialisations) bySpecialisation.set(hazard, [...(bySpecialisation.get(hazard) ?? []), party])
  }
  return {
    parties,
    byId: (id) => byId.get(id),
    byUri: (uri) => {
      const key = addressKey(uri)
      return key === null ? undefined : byUri.get(key)
    },
    bySpecialisation: (hazard) => bySpecialisation.get(hazard) ?? []
  }
}
