/**
 * Which witnesses must have cosigned a checkpoint.
 *
 * @see C2SP tlog-policy
 */
import { type Checkpoint, cosignedAt, isSignedBy, Malformed, parseKey, type VerifierKey } from './note.ts'

export interface Policy {
  /** Keys of logs; where there are any, one of them must have signed. */
  readonly logs: readonly VerifierKey[]
  readonly witnesses: readonly { readonly name: string; readonly key: VerifierKey }[]
  readonly groups: readonly { readonly name: string; readonly threshold: number; readonly members: readonly string[] }[]
  /** A witness or a group; null where no cosignature is asked for. */
  readonly quorum: string | null
}

const longestPolicy = 1 << 20
const mostLines = 1024

/** @throws {Malformed} with the line */
export function parsePolicy(text: string): Policy {
  if (text.length > longestPolicy) throw new Malformed('The policy is too long.')
  const logs: VerifierKey[] = []
  const witnesses: { readonly name: string; readonly key: VerifierKey }[] = []
  const groups: { readonly name: string; readonly threshold: number; readonly members: readonly string[] }[] = []
  const names = new Set<string>()
  const grouped = new Set<string>()
  let quorum: string | null | undefined

  const lines = text.split('\n')
  if (lines.length > mostLines) throw new Malformed(`The policy has more than ${mostLines} lines.`)
  for (const [at, line] of lines.entries()) {
    const fail = (problem: string): never => {
      throw new Malformed(`Policy, line ${at + 1}: ${problem}`)
    }
    // the format's blanks are tab and space alone
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) fail('a control character.')
    const [keyword, ...words] = line.split(/[\t ]+/).filter((word) => word !== '')
    if (keyword === undefined || keyword.startsWith('#')) continue
    const take = (name: string): string => {
      if (name === 'none' || names.has(name)) fail(`the name ${name} is taken.`)
      names.add(name)
      return name
    }
    const fresh = (key: VerifierKey, among: readonly VerifierKey[]): VerifierKey => {
      const raw = key.publicKey.join()
      return among.some(({ publicKey }) => publicKey.join() === raw) ? fail('a second line with the same key.') : key
    }
    const keyOf = (word: string, type: 1 | 4): VerifierKey => {
      try {
        return parseKey(word, type)
      } catch (error) {
        return fail(error instanceof Malformed ? error.message : String(error))
      }
    }
    if (keyword === 'log' && (words.length === 1 || words.length === 2)) logs.push(fresh(keyOf(words[0]!, 1), logs))
    else if (keyword === 'witness' && (words.length === 2 || words.length === 3)) {
      const name = take(words[0]!)
      const known = witnesses.map(({ key }) => key)
      witnesses.push({ name, key: fresh(keyOf(words[1]!, 4), known) })
    } else if (keyword === 'group' && words.length >= 3) {
      const [name = '', many = '', ...members] = words
      for (const member of members) {
        if (!names.has(member)) fail(`${member} is not defined before this line.`)
        if (grouped.has(member)) fail(`${member} is a member twice.`)
        grouped.add(member)
      }
      const threshold = many === 'all' ? members.length : many === 'any' ? 1 : /^[1-9]\d{0,5}$/.test(many) ? Number(many) : 0
      if (threshold < 1 || threshold > members.length) fail(`expected all, any or a number from 1 to ${members.length}.`)
      groups.push({ name: take(name), threshold, members })
    } else if (keyword === 'quorum' && words.length === 1) {
      const [name = ''] = words
      if (quorum !== undefined) fail('a second quorum.')
      if (name !== 'none' && !names.has(name)) fail(`${name} is not defined before this line.`)
      quorum = name === 'none' ? null : name
    } else fail('expected log, witness, group or quorum, each with its words.')
  }
  if (quorum === undefined) throw new Malformed('The policy has no quorum line.')
  return { logs, witnesses, groups, quorum }
}

export interface Judgement {
  /** Witnesses of the policy in its order, and when each says it saw the checkpoint, in seconds since 1970. */
  readonly witnesses: readonly { readonly name: string; readonly timeS: number | null }[]
  /** Whether enough of them cosigned, and a log that the policy names signed. */
  readonly quorum: boolean
}

export async function judge({ logs, witnesses, groups, quorum }: Policy, checkpoint: Checkpoint): Promise<Judgement> {
  const told: { readonly name: string; readonly timeS: number | null }[] = []
  for (const { name, key } of witnesses) told.push({ name, timeS: await cosignedAt(checkpoint, key) })
  const there = new Set(told.filter(({ timeS }) => timeS !== null).map(({ name }) => name))
  for (const { name, threshold, members } of groups)
    if (members.filter((member) => there.has(member)).length >= threshold) there.add(name)
  let signed = logs.length === 0
  for (const key of logs) signed ||= await isSignedBy(checkpoint, key)
  return { witnesses: told, quorum: signed && (quorum === null || there.has(quorum)) }
}
