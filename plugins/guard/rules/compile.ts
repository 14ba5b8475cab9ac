/**
 * Checks an expression against the facts there are and makes a function of it. Since every fact is always there and has one type, a checked expression
 * cannot fail, but for a number beyond 2^53.
 */
import { BlockList, isIP } from 'node:net'
import type { BinaryOperator, Expression, Problem } from './syntax.ts'
import type { FactSchema, Facts, FactType } from './types.ts'

/** What an expression is evaluated over. Entities are given by their names, such as `Role::"expert"`. */
export interface Surroundings {
  readonly principal: string
  readonly action: string
  readonly resource: string
  /** What the principal is in, besides itself. */
  readonly groups: readonly string[]
  /** Groups that were established so far; an expression reads those alone that it says it reads. */
  readonly facts: Facts
}

type Value = boolean | number | string | readonly (string | number)[] | { readonly [name: string]: unknown }
type Compute = (around: Surroundings) => Value
type Type =
  | Exclude<FactType, object>
  | 'entity'
  | { readonly set: 'string' | 'long' | 'ip' | 'entity' | 'nothing' }
  | { readonly record: Readonly<Record<string, FactType>> }

export interface Compiled {
  /** @throws {RangeError} when a sum or product leaves what can be counted exactly */
  readonly holds: (around: Surroundings) => boolean
  /** Groups of facts that the expression reads. */
  readonly reads: ReadonlySet<string>
}

interface Checked {
  readonly type: Type
  readonly compute: Compute
}

/** A problem that ends the checking of one expression. */
class TypeProblem extends Error {
  readonly offset: number

  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

const wrong = (offset: number, message: string): never => {
  throw new TypeProblem(offset, message)
}

const nameOf = (type: Type): string =>
  typeof type === 'string'
    ? { bool: 'a truth value', long: 'a number', string: 'a text', ip: 'an address', entity: 'an entity' }[type]
    : 'set' in type
      ? 'a set'
      : 'a group of facts'

/** Makes a function of a condition. @returns the function, or what is wrong with it */
export function compileCondition(expression: Expression, schema: FactSchema): Compiled | Problem {
  const reads = new Set<string>()
  try {
    const { compute } = demand(check(expression, schema, reads), 'bool', expression.offset)
    return { holds: compute as (around: Surroundings) => boolean, reads }
  } catch (error) {
    if (error instanceof TypeProblem) return { offset: error.offset, text: error.message }
    throw error
  }
}

function demand(checked: Checked, type: Exclude<Type, object>, offset: number): Checked {
  return checked.type === type ? checked : wrong(offset, `expected ${nameOf(type)}, this is ${nameOf(checked.type)}`)
}

function check(expression: Expression, schema: FactSchema, reads: Set<string>): Checked {
  const { offset } = expression
  const inner = (of: Expression): Checked => check(of, schema, reads)
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression
      const type = typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? 'long' : 'string'
      return { type, compute: () => value }
    }
    case 'entity': {
      const { uid } = expression
      return { type: 'entity', compute: () => uid }
    }
    case 'ip':
      return wrong(offset, 'an address is only compared: == ip("…"), .isInRange(ip("…"))')
    case 'variable': {
      const { name } = expression
      if (name === 'context') return wrong(offset, 'a group of facts is asked for one of them: context.edge.transport')
      return { type: 'entity', compute: (around) => around[name] }
    }
    case 'not': {
      const { compute } = demand(inner(expression.of), 'bool', expression.of.offset)
      return { type: 'bool', compute: (around) => !compute(around) }
    }
    case 'negate': {
      const { compute } = demand(inner(expression.of), 'long', expression.of.offset)
      return { type: 'long', compute: (around) => 0 - (compute(around) as number) }
    }
    case 'like': {
      const { compute } = demand(inner(expression.of), 'string', expression.of.offset)
      const { pattern } = expression
      return { type: 'bool', compute: (around) => isLike(compute(around) as string, pattern) }
    }
    case 'member':
      return checkMember(expression, schema, reads)
    case 'call':
      return checkCall(expression, inner)
    case 'set':
      return checkSet(expression.items, inner)
    case 'if': {
      const test = demand(inner(expression.test), 'bool', expression.test.offset).compute
      const yes = inner(expression.yes)
      const no = inner(expression.no)
      if (!sameType(yes.type, no.type))
        wrong(expression.no.offset, `${nameOf(yes.type)} before else, ${nameOf(no.type)} behind it`)
      return { type: yes.type, compute: (around) => (test(around) ? yes.compute(around) : no.compute(around)) }
    }
    case 'binary':
      return checkBinary(expression, inner)
  }
}

function checkMember(expression: Expression & { readonly kind: 'member' }, schema: FactSchema, reads: Set<string>): Checked {
  const { of, name, offset } = expression
  if (of.kind === 'variable' && of.name === 'context') {
    const type = Object.hasOwn(schema, name) ? schema[name]! : unknownFact(name, schema, offset)
    reads.add(name)
    return { type, compute: (around) => around.facts[name]! }
  }
  const whole = of.kind === 'member' ? checkMember(of, schema, reads) : wrong(offset, `only context has facts, .${name} is none`)
  if (typeof whole.type === 'string' || !('record' in whole.type)) return wrong(offset, `${nameOf(whole.type)} has no .${name}`)
  const { record } = whole.type
  const type = Object.hasOwn(record, name) ? record[name]! : unknownFact(name, record, offset)
  const { compute } = whole
  return { type, compute: (around) => (compute(around) as Record<string, Value>)[name]! }
}

const unknownFact = (name: string, known: object, offset: number): never =>
  wrong(offset, `no fact ${JSON.stringify(name)}; there are ${Object.keys(known).join(', ')}`)

function checkSet(items: readonly Expression[], inner: (of: Expression) => Checked): Checked {
  const checked = items.map(inner)
  const [first] = checked
  if (first === undefined) return { type: { set: 'nothing' }, compute: () => [] }
  const { type } = first
  if (type === 'bool' || typeof type === 'object') return wrong(items[0]!.offset, `${nameOf(type)} is nothing to make a set of`)
  for (const [index, item] of checked.entries())
    if (item.type !== type) wrong(items[index]!.offset, `${nameOf(item.type)} in a set that begins with ${nameOf(type)}`)
  const parts = checked.map(({ compute }) => compute)
  if (items.every(({ kind }) => kind === 'literal' || kind === 'entity')) {
    const fixed = parts.map((part) => part(nowhere) as string | number)
    return { type: { set: type }, compute: () => fixed }
  }
  return { type: { set: type }, compute: (around) => parts.map((part) => part(around) as string | number) }
}

/** Literals look at nothing. */
const nowhere: Surroundings = { principal: '', action: '', resource: '', groups: [], facts: {} }

const sameType = (a: Type, b: Type): boolean => {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  if ('set' in a && 'set' in b) return a.set === b.set || a.set === 'nothing' || b.set === 'nothing'
  return false
}

function checkBinary(expression: Expression & { readonly kind: 'binary' }, inner: (of: Expression) => Checked): Checked {
  const { operator, left, right, offset } = expression
  if ((operator === '==' || operator === '!=') && (left.kind === 'ip' || right.kind === 'ip')) {
    const [address, literal] = right.kind === 'ip' ? [left, right] : [right, left]
    const { compute } = demand(inner(address), 'ip', address.offset)
    const is = exactly(literal as Expression & { readonly kind: 'ip' })
    return { type: 'bool', compute: (around) => is(compute(around) as string) === (operator === '==') }
  }
  const a = inner(left)
  const b = inner(right)
  const x = a.compute
  const y = b.compute
  const bothAre = (type: Exclude<Type, object>): void => {
    demand(a, type, left.offset)
    demand(b, type, right.offset)
  }
  const sum = (of: (p: number, q: number) => number): Checked => {
    bothAre('long')
    return { type: 'long', compute: (around) => exact(of(x(around) as number, y(around) as number)) }
  }
  const order = (of: (p: number, q: number) => boolean): Checked => {
    bothAre('long')
    return { type: 'bool', compute: (around) => of(x(around) as number, y(around) as number) }
  }
  const table: Readonly<Record<BinaryOperator, () => Checked>> = {
    '||': () => {
      bothAre('bool')
      return { type: 'bool', compute: (around) => (x(around) || y(around)) as boolean }
    },
    '&&': () => {
      bothAre('bool')
      return { type: 'bool', compute: (around) => (x(around) && y(around)) as boolean }
    },
    '==': () => ({ type: 'bool', compute: equality(a, b, offset) }),
    '!=': () => {
      const equal = equality(a, b, offset)
      return { type: 'bool', compute: (around) => !equal(around) }
    },
    '<': () => order((p, q) => p < q),
    '<=': () => order((p, q) => p <= q),
    '>': () => order((p, q) => p > q),
    '>=': () => order((p, q) => p >= q),
    '+': () => sum((p, q) => p + q),
    '-': () => sum((p, q) => p - q),
    '*': () => sum((p, q) => p * q),
    in: () => {
      demand(a, 'entity', left.offset)
      const belongs = (around: Surroundings, member: string, group: string): boolean =>
        member === group || (member === around.principal && around.groups.includes(group))
      if (b.type === 'entity')
        return { type: 'bool', compute: (around) => belongs(around, x(around) as string, y(around) as string) }
      if (typeof b.type === 'string' || !('set' in b.type) || (b.type.set !== 'entity' && b.type.set !== 'nothing'))
        return wrong(
          right.offset,
          `expected an entity or a set of them, this is ${nameOf(b.type)}; a set is asked with .contains()`
        )
      return {
        type: 'bool',
        compute: (around) => (y(around) as readonly string[]).some((group) => belongs(around, x(around) as string, group))
      }
    }
  }
  return table[operator]()
}

function equality(a: Checked, b: Checked, offset: number): (around: Surroundings) => boolean {
  if (!sameType(a.type, b.type)) wrong(offset, `${nameOf(a.type)} is never equal to ${nameOf(b.type)}`)
  const x = a.compute
  const y = b.compute
  if (a.type === 'ip') return (around) => canonicalAddress(x(around) as string) === canonicalAddress(y(around) as string)
  if (typeof a.type === 'string') return (around) => x(around) === y(around)
  return (around) => {
    const [p, q] = [new Set(x(around) as readonly unknown[]), new Set(y(around) as readonly unknown[])]
    return p.size === q.size && [...p].every((item) => q.has(item))
  }
}

function exact(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError('a number beyond what can be counted exactly')
  return value
}

function checkCall(expression: Expression & { readonly kind: 'call' }, inner: (of: Expression) => Checked): Checked {
  const { of, method, operands, offset } = expression
  const whole = inner(of)
  const { compute } = whole
  const takes = (count: number): void => {
    if (operands.length !== count) wrong(offset, `.${method}() takes ${count} value${count === 1 ? '' : 's'}`)
  }
  if (whole.type === 'ip') {
    const range = operands[0]
    const test = method === 'isInRange' && range?.kind === 'ip' ? inRange(range) : addressTests[method]
    if (test === undefined)
      return wrong(offset, `an address has .isIpv4(), .isIpv6(), .isLoopback(), .isMulticast(), .isInRange(ip("…"))`)
    takes(method === 'isInRange' ? 1 : 0)
    return { type: 'bool', compute: (around) => test(compute(around) as string) }
  }
  if (typeof whole.type === 'string' || !('set' in whole.type)) return wrong(offset, `${nameOf(whole.type)} has no .${method}()`)
  const { set } = whole.type
  const list = (around: Surroundings) => compute(around) as readonly (string | number)[]
  if (method === 'isEmpty') {
    takes(0)
    return { type: 'bool', compute: (around) => list(around).length === 0 }
  }
  takes(1)
  const operand = inner(operands[0]!)
  const value = operand.compute
  if (method === 'contains') {
    if (set !== 'nothing') demand(operand, set, operands[0]!.offset)
    return { type: 'bool', compute: (around) => list(around).includes(value(around) as string | number) }
  }
  if (!sameType(whole.type, operand.type))
    return wrong(operands[0]!.offset, `expected a set of the same, this is ${nameOf(operand.type)}`)
  const others = (around: Surroundings) => value(around) as readonly (string | number)[]
  if (method === 'containsAll')
    return { type: 'bool', compute: (around) => others(around).every((item) => list(around).includes(item)) }
  if (method === 'containsAny')
    return { type: 'bool', compute: (around) => others(around).some((item) => list(around).includes(item)) }
  return wrong(offset, 'a set has .contains(), .containsAll(), .containsAny(), .isEmpty()')
}

function isLike(text: string, pattern: readonly (string | null)[]): boolean {
  const first = pattern[0] ?? ''
  const last = pattern.at(-1) ?? ''
  if (pattern.length === 0) return text === ''
  if (pattern.length === 1) return pattern[0] === null || text === first
  let at = 0
  if (pattern[0] !== null) {
    if (!text.startsWith(first)) return false
    at = first.length
  }
  const end = pattern.at(-1) === null ? text.length : text.length - last.length
  if (end < at || !text.slice(end).endsWith(pattern.at(-1) === null ? '' : last)) return false
  const middle = pattern.slice(pattern[0] === null ? 0 : 1, pattern.at(-1) === null ? undefined : -1)
  for (const part of middle) {
    if (part === null) continue
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** An address in its one canonical spelling; texts that are none stay as they are. */
function canonicalAddress(text: string): string {
  if (isIP(text) !== 6) return text
  return new URL(`http://[${text.split('%')[0]}]`).hostname.slice(1, -1)
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

const rangeTest = (text: string): ((address: string) => boolean) => {
  const [base = '', prefix] = text.split('/')
  const list = new BlockList()
  list.addSubnet(base, Number(prefix), familyOf(base))
  const family = familyOf(base)
  return (address) => familyOf(address) === family && list.check(address, family)
}

const loopback4 = rangeTest('127.0.0.0/8')
const multicast4 = rangeTest('224.0.0.0/4')
const multicast6 = rangeTest('ff00::/8')

const addressTests: Readonly<Partial<Record<string, (address: string) => boolean>>> = {
  isIpv4: (address) => isIP(address) === 4,
  isIpv6: (address) => isIP(address) === 6,
  isLoopback: (address) => loopback4(address) || canonicalAddress(address) === '::1',
  isMulticast: (address) => multicast4(address) || multicast6(address)
}

type AddressLiteral = Expression & { readonly kind: 'ip' }

/** Address and prefix of `ip("10.0.0.0/8")`; without one it is the whole address. */
function readRange({ text, offset }: AddressLiteral): {
  readonly address: string
  readonly prefix: number
  readonly width: number
} {
  const [address = '', prefixText, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0 || address.includes('%'))
    return wrong(offset, `${JSON.stringify(text)} is no address and no range of them`)
  const width = version === 4 ? 32 : 128
  const prefix = prefixText === undefined ? width : /^(?:0|[1-9]\d{0,2})$/.test(prefixText) ? Number(prefixText) : width + 1
  if (prefix > width) return wrong(offset, `${JSON.stringify(text)}: the prefix has at most ${width} bits`)
  return { address, prefix, width }
}

function inRange(literal: AddressLiteral): (address: string) => boolean {
  const { address, prefix } = readRange(literal)
  return rangeTest(`${address}/${prefix}`)
}

/** A fact is one address: equal to a range it never is. */
function exactly(literal: AddressLiteral): (address: string) => boolean {
  const { address, prefix, width } = readRange(literal)
  if (prefix !== width) return wrong(literal.offset, 'an address is never equal to a range of them: .isInRange(ip("…"))')
  const wanted = canonicalAddress(address)
  return (given) => canonicalAddress(given) === wanted
}
