import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ConfigError, isHazardName } from '#kernel'
import { readYaml } from '#kernel/yaml'
import { type Patience, usualPatience } from './patience.ts'
import type { PolicyRule } from './policy.ts'

export interface PolicyFile {
  readonly rules: readonly PolicyRule[]
  /** Null where the file says nothing of it. */
  readonly patience: Patience | null
  readonly text: string
  /** SHA-256 of the text, hexadecimal. */
  readonly hash: string
}

const largestFile = 64 << 10
const mostRules = 200

/** One of them, or a list. */
const some = <T extends z.ZodType<string>>(each: T) =>
  z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(each).min(1).max(100))
const capability = z
  .string()
  .regex(/^[a-z0-9]+([-.][a-z0-9]+)*$/, 'expected a capability, such as code.rust')
  .max(128)
const swarm = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'expected the name of a swarm, 1-64 of A-Z a-z 0-9 _ -')
const hazard = z.string().refine(isHazardName, 'expected the name of a hazard, such as safety')
const amount = z
  .string('expected US dollars as an exact decimal in quotes, such as "12.50"')
  .regex(/^\d{1,12}(\.\d{1,12})?$/, 'expected US dollars as an exact decimal, such as "12.50"')
const hours = z
  .string('expected hours of the day (UTC), such as 22:00-06:00')
  .regex(/^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected hours of the day (UTC), such as 22:00-06:00')
  .refine((text) => text.slice(0, 5) !== text.slice(6), 'from and until are the same')
  .transform((text): readonly [number, number] => {
    const [from, until] = text.split('-').map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)))
    return [from!, until!]
  })

const ruleSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected 1-64 of a-z 0-9 -'),
    action: z.enum(['deny', 'limit'], 'expected deny or limit'),
    /** Of a limit: most claims that a swarm may hold at a time. */
    claims: z.int().min(1).max(10_000).optional(),
    reason: z.string().min(1).max(200).optional(),
    when: z
      .strictObject({
        capability: some(capability).optional(),
        swarm: some(swarm).optional(),
        notSwarm: some(swarm).optional(),
        hazard: some(hazard).optional(),
        costAbove: amount.optional(),
        costUnknown: z.boolean().optional(),
        levelAbove: z.number().min(0).max(1).optional(),
        hours: hours.optional()
      })
      .prefault({})
  })
  .superRefine(({ action, claims }, { addIssue }) => {
    if (action === 'limit' && claims === undefined)
      addIssue({ code: 'custom', message: 'a limit needs claims: how many a swarm may hold at a time' })
    if (action === 'deny' && claims !== undefined)
      addIssue({ code: 'custom', path: ['claims'], message: 'only a limit has claims' })
  })

const share = (what: string) =>
  z.number(`expected ${what}, 0 to 1`).min(0, `expected ${what}, 0 to 1`).max(1, `expected ${what}, 0 to 1`)
const patienceSchema = z.strictObject({
  minutes: z
    .number('expected minutes, 0 to 1440')
    .min(0, 'expected minutes, 0 to 1440')
    .max(1440, 'expected minutes, 0 to 1440')
    .default(usualPatience.mostMs / 60_000),
  ofDeadline: share('a share of the time to the deadline').default(usualPatience.ofDeadline),
  first: share('what is asked at first').default(usualPatience.first)
})

const policySchema = z.strictObject({ rules: z.array(ruleSchema).max(mostRules), patience: patienceSchema.optional() })

/** Names of the rules, whatever else is wrong with them. */
function namesOf(content: unknown): unknown[] {
  const rules = (content as { readonly rules?: unknown } | null)?.rules
  return Array.isArray(rules) ? rules.map((rule) => (rule as { readonly name?: unknown } | null)?.name) : []
}

/**
 * Reads a policy file.
 *
 * @param source name of the file, for messages
 * @throws {ConfigError} with every problem found, each as `line N, column M: path: what is wrong`
 */
export function readPolicyFile(text: string, source: string): PolicyFile {
  const { content, problem, failIfAny } = readYaml(text, source, largestFile, (line, column) => `line ${line}, column ${column}`)
  const names = new Set<unknown>()
  for (const [index, name] of namesOf(content).entries()) {
    if (name !== undefined && names.has(name)) problem(['rules', index, 'name'], 'another rule has this name')
    names.add(name)
  }
  const read = policySchema.safeParse(content)
  if (!read.success) {
    for (const issue of read.error.issues) {
      if (issue.code === 'unrecognized_keys') for (const key of issue.keys) problem([...issue.path, key], 'unknown field')
      else problem(issue.path, issue.message)
    }
    failIfAny()
    throw new ConfigError(source, ['not a policy'])
  }
  failIfAny()
  const rules = read.data.rules.map(
    ({ name, claims, reason, when }): PolicyRule => ({
      name,
      mostClaims: claims ?? null,
      reason: reason ?? null,
      when: {
        capability: when.capability ?? null,
        swarm: when.swarm ?? null,
        notSwarm: when.notSwarm ?? null,
        hazard: when.hazard ?? null,
        costAbove: when.costAbove ?? null,
        costUnknown: when.costUnknown ?? null,
        levelAbove: when.levelAbove ?? null,
        hours: when.hours ?? null
      }
    })
  )
  const { patience } = read.data
  const kept =
    patience === undefined
      ? null
      : { mostMs: Math.round(patience.minutes * 60_000), ofDeadline: patience.ofDeadline, first: patience.first }
  return { rules, patience: kept, text, hash: createHash('sha256').update(text).digest('hex') }
}
