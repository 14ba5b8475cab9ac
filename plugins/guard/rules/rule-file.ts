import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, makeFolder } from '#kernel'
import { factSchema } from '../policies/facts.ts'
import type { Policy } from '../policies/policy.ts'
import { shippedPolicies } from '../policies/shipped.ts'
import { sha256 } from './canonical.ts'
import { parseRules, type RuleSet } from './rules.ts'
import type { FactSchema } from './types.ts'

const shippedRules = new URL('./guard.cedar', import.meta.url)

/** The rules that come with the suite, and a forbid for every policy of `names` that does not: what it denies is refused. */
export function defaultRules(names: readonly string[] = []): string {
  const further = names.filter((name) => !shippedPolicies.some((policy) => policy.name === name))
  const forbids = further.map(
    (name) =>
      `\n@id("${name}")\n@finding("${name}")\nforbid (principal, action, resource)\nwhen { context["${name}"].verdict == "deny" };\n`
  )
  return readFileSync(shippedRules, 'utf8') + forbids.join('')
}

/** Facts there are with these policies; the shipped ones are always among them. */
function schemaWith(policies: readonly Pick<Policy, 'name' | 'facts'>[]): { schema: FactSchema; names: readonly string[] } {
  const all = [...shippedPolicies, ...policies.filter(({ name }) => !shippedPolicies.some((policy) => policy.name === name))]
  return { schema: factSchema(all), names: all.map(({ name }) => name) }
}

/** Facts that rules may ask about when no policies are added. */
export const shippedFactSchema = (): FactSchema => schemaWith([]).schema

/**
 * Reads rules for a guard with these policies.
 *
 * @param policies those that are asked; default: the shipped ones.
 * @throws {ConfigError} with every problem and its line; also when no rule reads a policy that is asked, since what it denies would go through
 */
export function readRules(
  text: string,
  source: string,
  policies: readonly Pick<Policy, 'name' | 'facts'>[] = shippedPolicies
): RuleSet {
  const { schema, names } = schemaWith(policies)
  const rules = parseRules(text, source, schema, names)
  const unread = policies.filter(({ name }) => !rules.reads.has(name)).map(({ name }) => name)
  if (unread.length > 0)
    throw new ConfigError(
      source,
      unread.map((name) => `no rule reads what the policy ${name} says: leave it out of the policies, or write a rule`)
    )
  return rules
}

const pathOf = (folder: string, hash: string, ending: string): string => join(folder, `${hash}.${ending}`)

/** Rules as they are kept: their text, and the facts they were read for. */
export interface KeptRules {
  readonly text: string
  readonly schema: FactSchema
}

/**
 * Keeps rules in `folder` under their hash, durably: a receipt names them for as long as the ledger is kept. The facts they are for are beside them, since
 * those that another version of the suite has may be others. Throws what the file system throws.
 */
export function keepRules(folder: string, { hash, text, schema }: RuleSet): void {
  makeFolder(folder)
  const schemaText = `${JSON.stringify(schema, null, 2)}\n`
  for (const [ending, content] of [
    ['schema.json', schemaText],
    ['cedar', text]
  ] as const) {
    const path = pathOf(folder, hash, ending)
    if (readOrNull(path) !== content) writeDurably(path, content)
  }
}

/** Rules by their hash; null when they are not there, or are not what the hash names. */
export function keptRules(folder: string, hash: string): KeptRules | null {
  if (!/^[0-9a-f]{64}$/.test(hash)) return null
  const text = readOrNull(pathOf(folder, hash, 'cedar'))
  const schema = readOrNull(pathOf(folder, hash, 'schema.json'))
  return text === null || schema === null || sha256(text) !== hash ? null : { text, schema: JSON.parse(schema) }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(`${path}.new`, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
}
