/** Types of facts and expressions, and what the rules may ask for. */
import { isIP } from 'node:net'
import type { JsonObject } from '#kernel'

/** `ip` is a text of an address that compares as one. */
export type FactType =
  | 'bool'
  | 'long'
  | 'string'
  | 'ip'
  | { readonly set: 'string' | 'long' }
  | { readonly record: Readonly<Record<string, FactType>> }

/** What is known to be there: groups of facts by name. Everything in a group is established together, when the first rule asks for one of them. */
export type FactSchema = Readonly<Record<string, { readonly record: Readonly<Record<string, FactType>> }>>

/** Values for a schema: texts, booleans, whole numbers, lists of them, and objects of these. */
export type Facts = Readonly<Record<string, JsonObject>>

/** An address without a zone. */
export const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%')

/** Whether a value is what the type says; an ill-formed address is not an `ip`. */
export function fits(value: unknown, type: FactType, isAddress: (text: string) => boolean): boolean {
  if (type === 'bool') return typeof value === 'boolean'
  if (type === 'long') return Number.isSafeInteger(value)
  if (type === 'string') return typeof value === 'string'
  if (type === 'ip') return typeof value === 'string' && isAddress(value)
  if ('set' in type) return Array.isArray(value) && value.every((item) => fits(item, type.set, isAddress))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const names = Object.keys(type.record)
  return (
    Object.keys(value).length === names.length &&
    names.every((name) => fits((value as Readonly<Record<string, unknown>>)[name], type.record[name]!, isAddress))
  )
}

/** The schema in Cedar's own language, for its editors and validators. */
export function cedarSchema(schema: FactSchema): string {
  const typeText = (type: FactType, indent: string): string => {
    if (type === 'bool') return 'Bool'
    if (type === 'long') return 'Long'
    if (type === 'string') return 'String'
    if (type === 'ip') return 'ipaddr'
    if ('set' in type) return `Set<${typeText(type.set, indent)}>`
    const members = Object.entries(type.record).map(
      ([name, of]) => `${indent}  ${/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)}: ${typeText(of, `${indent}  `)}`
    )
    return `{\n${members.join(',\n')}\n${indent}}`
  }
  return [
    'entity Role;',
    'entity Organisation;',
    'entity Party in [Role, Organisation];',
    'entity Hazard;',
    `action "inbound", "outbound" appliesTo {\n  principal: Party,\n  resource: Hazard,\n  context: ${typeText({ record: schema }, '  ')}\n};`,
    ''
  ].join('\n')
}
