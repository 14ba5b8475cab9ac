import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { ConfigError, type Json, type JsonObject } from '#kernel'
import { judge, misfit, type RuleSet, surroundings } from './rules.ts'
import { type FactSchema, type Facts, fits, isAddress } from './types.ts'

/** A row of a table of tests: a call, and what the rules are to say about it. */
export interface RuleRow {
  readonly name: string
  readonly line: number
  readonly facts: Facts
  readonly expect: { readonly verdict: 'approve' | 'reject'; readonly code?: string; readonly rule?: string }
}

/** What the rules said. */
export interface RowOutcome {
  readonly row: RuleRow
  readonly ok: boolean
  readonly verdict: 'approve' | 'reject'
  readonly code: string
  readonly rule: string | null
}

const groups = z.record(z.string(), z.record(z.string(), z.unknown()))
const tableSchema = z.strictObject({
  facts: groups.default({}).describe('Of every row, over those of a good call'),
  rows: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(200),
        facts: groups.default({}).describe('Of this row, over those above'),
        expect: z.strictObject({
          verdict: z.enum(['approve', 'reject']),
          code: z.string().max(64).optional(),
          rule: z.string().max(64).optional()
        })
      })
    )
    .min(1)
    .max(10_000)
})

const largestTable = 1024 * 1024

/**
 * Reads a table of tests, YAML: each row says in what its call is not a good one, and what the rules are to say.
 *
 * @throws {ConfigError} with every problem and its line, also for facts that are not there or of another type
 */
export function parseRuleTable(text: string, source: string, schema: FactSchema): RuleRow[] {
  if (Buffer.byteLength(text) > largestTable) throw new ConfigError(source, [`larger than ${largestTable} octets`])
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let depth = path.length; depth > 0; depth--) {
      const node = document.getIn(path.slice(0, depth), true) as { range?: readonly number[] } | undefined
      if (node?.range) return lines.linePos(node.range[0]!).line
    }
    return 1
  }
  if (document.errors.length > 0)
    throw new ConfigError(
      source,
      document.errors.map(({ pos, message }) => `line ${lines.linePos(pos[0]).line}: ${message}`)
    )
  const read = tableSchema.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (!read.success)
    throw new ConfigError(
      source,
      read.error.issues.map(({ path, message }) => `line ${lineOf(path)}: ${path.join('.')}: ${message}`)
    )
  const problems: string[] = []
  const over = (under: Facts, changes: z.infer<typeof groups>, path: readonly PropertyKey[]): Facts => {
    const merged: Record<string, JsonObject> = { ...under }
    for (const [group, members] of Object.entries(changes)) {
      const types = schema[group]?.record
      if (types === undefined) {
        problems.push(`line ${lineOf([...path, group])}: no facts ${JSON.stringify(group)}`)
        continue
      }
      for (const [name, value] of Object.entries(members)) {
        const type = Object.hasOwn(types, name) ? types[name]! : null
        const problem = (what: string) => problems.push(`line ${lineOf([...path, group, name])}: ${group}.${name}: ${what}`)
        if (type === null) problem('no such fact')
        else if (!fits(value, type, isAddress)) problem('of another type')
        else merged[group] = { ...merged[group], [name]: value as Json }
      }
    }
    return merged
  }
  const base = over(goodCall(schema), read.data.facts, ['facts'])
  const rows = read.data.rows.map(({ name, facts, expect }, at): RuleRow => {
    const { code, rule } = expect
    return {
      name,
      line: lineOf(['rows', at]),
      facts: over(base, facts, ['rows', at, 'facts']),
      expect: { verdict: expect.verdict, ...(code === undefined ? {} : { code }), ...(rule === undefined ? {} : { rule }) }
    }
  })
  if (problems.length > 0) throw new ConfigError(source, problems)
  return rows
}

/** Facts of a call that nothing is wrong with: a registered expert, over TLS, at noon. Further policies pass. */
export function goodCall(schema: FactSchema): Facts {
  const known: Readonly<Record<string, JsonObject>> = {
    party: {
      id: 'expert-safety',
      known: true,
      role: 'expert',
      organisation: 'Safety & Alignment Advisory',
      specialisations: ['safety', 'alignment'],
      contrarian: false,
      certificateDemanded: false,
      signatureDemanded: false
    },
    request: {
      direction: 'inbound',
      method: 'INVITE',
      from: 'sip:expert-safety@external.advisor',
      to: 'sip:council-safety@council.example',
      hazard: 'safety',
      signed: false,
      identities: 0,
      bodyBytes: 300
    },
    edge: {
      sourceAddress: '203.0.113.7',
      transport: 'tls',
      tlsVersion: 'TLSv1.3',
      tlsCipher: 'TLS_AES_256_GCM_SHA384',
      certificateIdentity: '',
      authenticatedUser: 'expert-safety',
      digestAlgorithm: 'SHA-256'
    },
    time: { date: '2026-01-01', hour: 12, minuteOfDay: 720, weekday: 4 },
    identity: {
      verdict: 'abstain',
      code: 'guard.identity.absent',
      reason: 'no Identity header',
      attack: false,
      attestation: 'none',
      originId: '',
      providers: []
    },
    signature: { verdict: 'abstain', code: 'guard.signature.not-required', reason: 'no signature', attack: false },
    rate: { verdict: 'pass', code: 'guard.rate.within', reason: 'places are left', attack: false, left: 9 }
  }
  const empty = { bool: false, long: 0, string: '', ip: '0.0.0.0' } as const
  const passing = (name: string): JsonObject => {
    const values = Object.entries(schema[name]!.record).map(([fact, type]) => [
      fact,
      typeof type === 'string' ? empty[type] : 'set' in type ? [] : {}
    ])
    return { ...Object.fromEntries(values), verdict: 'pass', code: `guard.${name}.good`, reason: 'good' }
  }
  return Object.fromEntries(Object.keys(schema).map((name) => [name, known[name] ?? passing(name)]))
}

/** Asks the rules about one row. */
export async function askRow(rules: RuleSet, row: RuleRow): Promise<RowOutcome> {
  const wrong = misfit(row.facts, rules.schema)
  if (wrong !== null) throw new ConfigError(`row ${row.name}`, [`the facts of ${wrong} are not those the rules are for`])
  const { verdict, code, rule } = await judge(rules, surroundings(row.facts), (group) => {
    throw new Error(`no facts of ${group}`)
  })
  const { expect } = row
  const ok =
    verdict === expect.verdict &&
    (expect.code === undefined || expect.code === code) &&
    (expect.rule === undefined || expect.rule === rule)
  return { row, ok, verdict, code, rule }
}
