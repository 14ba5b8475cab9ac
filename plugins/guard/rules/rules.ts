/**
 * Rules as data: what is forbidden and what is permitted, over facts that policies establish. As in Cedar, one forbid that matches outweighs every permit,
 * and what nothing permits is refused.
 */
import { ConfigError, type JsonObject } from '#kernel'
import { canonicalJson, sha256 } from './canonical.ts'
import { type Compiled, compileCondition, type Surroundings } from './compile.ts'
import { type Annotation, entityUid, type ParsedRule, type Problem, parseRuleText } from './syntax.ts'
import { type FactSchema, type Facts, fits, isAddress } from './types.ts'

/** Which language the rules are in and how they are judged: another number, other verdicts. Stands in every receipt. */
export const engineVersion = 'guard-rules/1'

export interface Rule {
  /** `@id`, once in a file. */
  readonly id: string
  readonly effect: 'permit' | 'forbid'
  /** `@code` of a forbid, `guard.<what>.<why>`. */
  readonly code: string | null
  readonly reason: string | null
  /** `@finding`: code and reason are those of what this policy said. */
  readonly finding: string | null
  /** `@attack`: the denial speaks of an attack. */
  readonly attack: boolean
  /** Line in the file, from 1. */
  readonly line: number
  /** Groups of facts to be established before it is asked. */
  readonly reads: readonly string[]
  readonly matches: (around: Surroundings) => boolean
}

/** A rule file that was read. Immutable. */
export interface RuleSet {
  /** SHA-256 of the text, 64 hex digits. */
  readonly hash: string
  readonly text: string
  /** Facts it may ask about. */
  readonly schema: FactSchema
  /** In the order of the file. */
  readonly forbids: readonly Rule[]
  readonly permits: readonly Rule[]
  readonly reads: ReadonlySet<string>
}

const largestText = 256 * 1024
const idForm = /^[a-z0-9][a-z0-9-]{0,63}$/
export const codeForm = /^guard(?:\.[a-z0-9-]+){2,3}$/
export const longestCode = 64
const longestReason = 300
const known = ['id', 'code', 'reason', 'finding', 'attack'] as const

/**
 * Reads a rule file.
 *
 * @param source name of the file, for messages.
 * @param schema groups of facts there are.
 * @param policies names of the groups that are findings of a policy, for `@finding`.
 * @throws {ConfigError} with every problem, each as `line N: what is wrong`
 */
export function parseRules(text: string, source: string, schema: FactSchema, policies: readonly string[]): RuleSet {
  if (Buffer.byteLength(text) > largestText) throw new ConfigError(source, [`larger than ${largestText} octets`])
  const lineOf = lineCounter(text)
  const parsed = parseRuleText(text)
  const problems: Problem[] = [...parsed.problems]
  const rules = parsed.rules.map((rule) => readRule(rule, schema, policies, lineOf, problems))
  const ids = new Map<string, number>()
  for (const [index, { id, line }] of rules.entries()) {
    const before = ids.get(id)
    if (before !== undefined && id !== '')
      problems.push({ offset: parsed.rules[index]!.offset, text: `@id("${id}") is that of line ${before}` })
    ids.set(id, line)
  }
  if (problems.length === 0 && !rules.some(({ effect }) => effect === 'permit'))
    problems.push({ offset: text.length, text: 'no permit: every call would be refused' })
  if (problems.length > 0) {
    const sorted = problems.sort((a, b) => a.offset - b.offset)
    throw new ConfigError(
      source,
      sorted.map((problem) => `line ${lineOf(problem.offset)}: ${problem.text}`)
    )
  }
  return {
    hash: sha256(text),
    text,
    schema,
    forbids: rules.filter(({ effect }) => effect === 'forbid'),
    permits: rules.filter(({ effect }) => effect === 'permit'),
    reads: new Set(rules.flatMap(({ reads }) => reads))
  }
}

function readRule(
  rule: ParsedRule,
  schema: FactSchema,
  policies: readonly string[],
  lineOf: (offset: number) => number,
  problems: Problem[]
): Rule {
  const problem = (offset: number, text: string): void => void problems.push({ offset, text })
  const found = new Map<string, Annotation>()
  for (const annotation of rule.annotations) {
    const { name, offset } = annotation
    if (!(known as readonly string[]).includes(name))
      problem(offset, `unknown annotation @${name}; there are ${known.join(', ')}`)
    else if (found.has(name)) problem(offset, `@${name} is given twice`)
    found.set(name, annotation)
  }
  const value = (name: (typeof known)[number]): string | null => found.get(name)?.value ?? null
  const [id, code, reason, finding] = [value('id'), value('code'), value('reason'), value('finding')]
  const offsetOf = (name: (typeof known)[number]): number => found.get(name)?.offset ?? rule.offset
  if (id === null || !idForm.test(id)) problem(offsetOf('id'), 'expected @id("…") of 1 to 64 of a-z 0-9 -')
  if (reason !== null && (reason === '' || reason.length > longestReason))
    problem(offsetOf('reason'), `expected a reason of 1 to ${longestReason} characters`)
  if (code !== null && (!codeForm.test(code) || code.length > longestCode))
    problem(offsetOf('code'), 'expected a code such as guard.rule.night, of at most 64 of a-z 0-9 . -')
  if (finding !== null && !policies.includes(finding))
    problem(offsetOf('finding'), `no policy ${JSON.stringify(finding)} is asked`)
  if (rule.effect === 'permit') {
    for (const name of ['code', 'finding', 'attack'] as const)
      if (found.has(name)) problem(offsetOf(name), `@${name} belongs to a forbid`)
  } else if (finding === null && (code === null || reason === null))
    problem(rule.offset, 'a forbid has @code and @reason, or @finding')
  else if (finding !== null && (code !== null || reason !== null || found.has('attack')))
    problem(offsetOf('finding'), '@finding brings code, reason and attack itself')
  if (found.has('attack') && value('attack') !== '') problem(offsetOf('attack'), '@attack has no value')

  const conditions: Compiled[] = []
  for (const condition of rule.conditions) {
    const compiled = compileCondition(condition, schema)
    if ('holds' in compiled) conditions.push(compiled)
    else problems.push(compiled)
  }
  const tests = conditions.map(({ holds }) => holds)
  const reads = new Set(conditions.flatMap((each) => [...each.reads]))
  if (finding !== null) reads.add(finding)
  return {
    id: id ?? '',
    effect: rule.effect,
    code,
    reason,
    finding,
    attack: found.has('attack'),
    line: lineOf(rule.offset),
    reads: [...reads],
    matches: (around) => tests.every((test) => test(around))
  }
}

function lineCounter(text: string): (offset: number) => number {
  const ends: number[] = []
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) ends.push(at)
  return (offset) => {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (ends[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low + 1
  }
}

/** What a policy found, as the group of facts with its name. */
export interface FindingFacts {
  readonly verdict: string
  readonly code: string
  readonly reason: string
  readonly attack: boolean
}

/** What the rules say about a call. */
export interface Judgement {
  readonly verdict: 'approve' | 'reject'
  /** Rule that decided; null when nothing permits the call, or a fact could not be established. */
  readonly rule: string | null
  readonly code: string
  readonly reason: string
  readonly attack: boolean
}

/** Codes of a group that could not be established: they end it, whatever the rules say. */
const failureCodes: readonly string[] = ['guard.policy.failed', 'guard.policy.cancelled']

/** Thrown by what {@link judge} asks for facts when a record does not hold them. */
export class FactsMissing extends Error {
  readonly group: string

  constructor(group: string) {
    super(`the record holds no facts of ${group}`)
    this.group = group
  }
}

/**
 * Asks the rules: forbids in the order of the file until one matches, then permits. Facts are established when the first rule that reads them is about
 * to be asked, so that a call refused by cheap facts costs no dear ones.
 *
 * @param around its `facts` grow as groups are established.
 * @param establish adds the group to the facts.
 */
export async function judge(
  rules: RuleSet,
  around: Surroundings,
  establish: (group: string) => Promise<void> | void
): Promise<Judgement> {
  for (const rule of [...rules.forbids, ...rules.permits]) {
    for (const group of rule.reads) {
      if (!Object.hasOwn(around.facts, group)) {
        const pending = establish(group)
        if (pending !== undefined) await pending
      }
      const { code, reason } = around.facts[group]!
      if (typeof code === 'string' && failureCodes.includes(code))
        return { verdict: 'reject', rule: null, code, reason: String(reason), attack: false }
    }
    let matches: boolean
    try {
      matches = rule.matches(around)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      const reason = `rule ${rule.id} reckons with ${error.message}`
      return { verdict: 'reject', rule: rule.id, code: 'guard.policy.failed', reason, attack: false }
    }
    if (!matches) continue
    if (rule.effect === 'permit')
      return {
        verdict: 'approve',
        rule: rule.id,
        code: 'guard.approved',
        reason: rule.reason ?? `permitted by rule ${rule.id}`,
        attack: false
      }
    if (rule.finding === null)
      return { verdict: 'reject', rule: rule.id, code: rule.code!, reason: rule.reason!, attack: rule.attack }
    const finding = around.facts[rule.finding] as unknown as FindingFacts
    return { verdict: 'reject', rule: rule.id, code: finding.code, reason: finding.reason, attack: finding.attack }
  }
  return { verdict: 'reject', rule: null, code: 'guard.policy.none-passed', reason: 'no rule permits the call', attack: false }
}

/** What the rules are asked over, from the facts that are always there. */
export function surroundings(facts: Facts): Surroundings {
  const { party = {}, request = {} } = facts
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  return {
    principal: entityUid('Party', text(party.id)),
    action: entityUid('Action', text(request.direction)),
    resource: entityUid('Hazard', text(request.hazard)),
    groups: [entityUid('Role', text(party.role)), entityUid('Organisation', text(party.organisation))],
    facts
  }
}

/** The first fact that is not of its type; null when all are. */
export function misfit(facts: Facts, schema: FactSchema): string | null {
  return (
    Object.entries(facts).find(([name, group]) => !Object.hasOwn(schema, name) || !fits(group, schema[name]!, isAddress))?.[0] ??
    null
  )
}

/** SHA-256 of the canonical text of facts. */
export const hashOfFacts = (facts: Facts): string => sha256(canonicalJson(facts as unknown as JsonObject))
