/**
 * Trust policies: which logs, which witnesses, and how many of them must have cosigned a checkpoint.
 *
 *     log <vkey> [<url>]
 *     witness <name> <vkey> [<url>]
 *     group <name> all|any|<k> <name>...
 *     quorum <name>|none
 *
 * The file is octets: text read as latin1 keeps every octet apart, as the format wants names compared.
 *
 * @see C2SP tlog-policy
 */
import { InfraFabricError, messageOf } from '#kernel'
import { cosignedAt, parseCosignerKey } from './cosignature.ts'
import { type CheckpointNote, isSignedBy, type NoteVerifier, parseVerifierKey } from './note.ts'

export interface PolicyLog {
  readonly verifier: NoteVerifier
  readonly url: string | null
}

export interface PolicyWitness {
  /** Its name in the policy, an octet a character; it need not be the name of its key. */
  readonly name: string
  readonly verifier: NoteVerifier
  /** Submission prefix of C2SP tlog-witness. */
  readonly url: string | null
}

export interface PolicyGroup {
  readonly name: string
  /** How many of the members must have cosigned. */
  readonly threshold: number
  readonly members: readonly string[]
}

export interface Policy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  /** Each group names only what stands before it. */
  readonly groups: readonly PolicyGroup[]
  /** A witness, a group, or null where no cosignature is asked for. */
  readonly quorum: string | null
}

/** What asks for nothing: a log whose checkpoints nobody cosigns. */
export const noPolicy: Policy = { logs: [], witnesses: [], groups: [], quorum: null }

const longestPolicy = 1 << 20
const mostLines = 1024

/**
 * @param file the octets of the file
 * @throws {InfraFabricError} `ledger.policy.malformed`, naming the line
 */
export function parsePolicy(file: Uint8Array | string): Policy {
  const octets = Buffer.from(file)
  if (octets.length > longestPolicy) throw problemAt(0, `longer than ${longestPolicy} octets`)
  const logs: PolicyLog[] = []
  const witnesses: PolicyWitness[] = []
  const groups: PolicyGroup[] = []
  const names = new Set<string>()
  const grouped = new Set<string>()
  const keys = { log: new Set<string>(), witness: new Set<string>() }
  let quorum: string | null | undefined

  const lines = octets.toString('latin1').split('\n')
  for (const [at, line] of lines.entries()) {
    const number = at + 1
    // the format's blanks are tab and space alone, its control characters tab and line feed
    if (/[^\t\x20-\x7e\x80-\xff]/.test(line)) throw problemAt(number, 'a control character')
    const [keyword, ...words] = line.split(/[\t ]+/).filter((word) => word !== '')
    if (keyword === undefined || keyword.startsWith('#')) continue
    if (number > mostLines) throw problemAt(number, `more than ${mostLines} lines`)
    const define = (name: string) => {
      if (name === 'none' || names.has(name)) throw problemAt(number, `the name ${name} is taken`)
      names.add(name)
    }
    const readKey = (kind: 'log' | 'witness', vkey: string): NoteVerifier => {
      const text = Buffer.from(vkey, 'latin1').toString('utf8')
      let verifier: NoteVerifier
      try {
        verifier = kind === 'log' ? parseVerifierKey(text) : parseCosignerKey(text)
      } catch (error) {
        throw problemAt(number, messageOf(error), error)
      }
      const raw = verifier.publicKey.octets.toString('hex')
      if (keys[kind].has(raw)) throw problemAt(number, `a second ${kind} with the same public key`)
      keys[kind].add(raw)
      return verifier
    }
    switch (keyword) {
      case 'log': {
        const [vkey, url, ...more] = words
        if (vkey === undefined || more.length > 0) throw problemAt(number, 'expected: log <vkey> [<url>]')
        logs.push({ verifier: readKey('log', vkey), url: url ?? null })
        break
      }
      case 'witness': {
        const [name, vkey, url, ...more] = words
        if (name === undefined || vkey === undefined || more.length > 0) {
          throw problemAt(number, 'expected: witness <name> <vkey> [<url>]')
        }
        define(name)
        witnesses.push({ name, verifier: readKey('witness', vkey), url: url ?? null })
        break
      }
      case 'group': {
        const [name, many, ...members] = words
        if (name === undefined || many === undefined || members.length === 0) {
          throw problemAt(number, 'expected: group <name> all|any|<k> <name>...')
        }
        for (const member of members) {
          if (!names.has(member)) throw problemAt(number, `${member} is not defined before this line`)
          if (grouped.has(member)) throw problemAt(number, `${member} is a member twice`)
          grouped.add(member)
        }
        const threshold = many === 'all' ? members.length : many === 'any' ? 1 : /^[1-9]\d{0,5}$/.test(many) ? Number(many) : 0
        if (threshold < 1 || threshold > members.length) {
          throw problemAt(number, `expected all, any or a number from 1 to ${members.length}, got ${many}`)
        }
        define(name)
        groups.push({ name, threshold, members })
        break
      }
      case 'quorum': {
        const [name, ...more] = words
        if (name === undefined || more.length > 0) throw problemAt(number, 'expected: quorum <name>')
        if (quorum !== undefined) throw problemAt(number, 'a second quorum')
        if (name !== 'none' && !names.has(name)) throw problemAt(number, `${name} is not defined before this line`)
        quorum = name === 'none' ? null : name
        break
      }
      default:
        throw problemAt(number, `expected log, witness, group or quorum, got ${keyword.slice(0, 40)}`)
    }
  }
  if (quorum === undefined) throw problemAt(lines.length, 'no quorum line')
  return { logs, witnesses, groups, quorum }
}

function problemAt(line: number, problem: string, cause?: unknown): InfraFabricError {
  return new InfraFabricError('ledger.policy.malformed', `policy, line ${line}: ${problem}`, { cause })
}

/** A name as people wrote it. */
export const nameText = (name: string): string => Buffer.from(name, 'latin1').toString('utf8')

/** Whether those witnesses are a quorum. */
export function isQuorum({ witnesses, groups, quorum }: Policy, cosigned: ReadonlySet<string>): boolean {
  if (quorum === null) return true
  const witnessed = new Set(witnesses.map(({ name }) => name).filter((name) => cosigned.has(name)))
  for (const { name, threshold, members } of groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name)
  }
  return witnessed.has(quorum)
}

export interface Judgement {
  /** Whether a log of the policy signed it; true where the policy names none. */
  readonly logSigned: boolean
  /** Witnesses with good cosignatures, by their names in the policy, and when they say they saw it, in seconds since 1970. */
  readonly cosigned: ReadonlyMap<string, number>
  readonly quorum: boolean
}

/** Holds a checkpoint against a policy. */
export function judgeCheckpoint(policy: Policy, note: CheckpointNote): Judgement {
  const cosigned = new Map<string, number>()
  for (const { name, verifier } of policy.witnesses) {
    const timeS = cosignedAt(note, verifier)
    if (timeS !== null) cosigned.set(name, timeS)
  }
  return {
    logSigned: policy.logs.length === 0 || policy.logs.some(({ verifier }) => isSignedBy(note, verifier)),
    cosigned,
    quorum: isQuorum(policy, new Set(cosigned.keys()))
  }
}
