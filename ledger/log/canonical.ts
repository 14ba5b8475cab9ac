import { InfraFabricError, type Json } from '#kernel'

/** How deep arrays and objects may nest in one another. */
export const maxDepth = 64

/**
 * Canonical JSON text: object keys in order of their UTF-16 code units, no blanks, numbers and strings as ECMAScript writes them.
 *
 * @throws {InfraFabricError} `ledger.entry.invalid` for what I-JSON (RFC 7493) cannot carry: a number that is not finite, text with an unpaired
 * surrogate, a value that is not JSON, nesting deeper than {@link maxDepth}; the message names the place.
 * @see RFC 8785
 */
export function canonicalize(value: Json): string {
  try {
    return write(value, 0)
  } catch (error) {
    if (error instanceof Misfit) throw error.at('$')
    throw error
  }
}

/** What cannot be written, and where: the way to it is put together only when it is needed. */
class Misfit {
  readonly #problem: string
  #path = ''

  constructor(problem: string) {
    this.#problem = problem
  }

  within(step: string): this {
    this.#path = step + this.#path
    return this
  }

  at(root: string): InfraFabricError {
    return new InfraFabricError('ledger.entry.invalid', `${(root + this.#path).slice(0, 200)}: ${this.#problem}`)
  }
}

function write(value: Json | undefined, depth: number): string {
  if (depth > maxDepth) throw new Misfit(`nested deeper than ${maxDepth}`)
  switch (typeof value) {
    case 'string':
      return text(value)
    case 'number':
      if (!Number.isFinite(value)) throw new Misfit('not a finite number')
      return `${value}`
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value)
        ? writeArray(value as readonly Json[], depth)
        : writeObject(value as { readonly [key: string]: Json }, depth)
    default:
      throw new Misfit(`${typeof value} is not JSON`)
  }
}

function writeArray(value: readonly Json[], depth: number): string {
  let written = '['
  for (let index = 0; index < value.length; index++) {
    try {
      written += (index === 0 ? '' : ',') + write(value[index], depth + 1)
    } catch (error) {
      throw error instanceof Misfit ? error.within(`[${index}]`) : error
    }
  }
  return `${written}]`
}

function writeObject(value: { readonly [key: string]: Json }, depth: number): string {
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new Misfit('not a plain object')
  const keys = inOrder(Object.keys(value))
  let written = '{'
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!
    if (at > 0) written += ','
    written += nameText(key)
    try {
      written += write(value[key], depth + 1)
    } catch (error) {
      throw error instanceof Misfit ? error.within(`.${key}`) : error
    }
  }
  return `${written}}`
}

/** Most objects have few members, which are in order sooner this way. */
const fewKeys = 24

function inOrder(keys: string[]): string[] {
  if (keys.length > fewKeys) return keys.sort()
  for (let at = 1; at < keys.length; at++) {
    const key = keys[at]!
    let to = at
    while (to > 0 && keys[to - 1]! > key) keys[to] = keys[--to]!
    keys[to] = key
  }
  return keys
}

/** Names of members as they are written, since the same ones come again and again: so many at most, and none that is long. */
const nameTexts = new Map<string, string>()
const mostNames = 1024
const longestName = 64

function nameText(name: string): string {
  const known = nameTexts.get(name)
  if (known !== undefined) return known
  const written = `${text(name)}:`
  if (nameTexts.size < mostNames && name.length <= longestName) nameTexts.set(name, written)
  return written
}

/** Nothing that JSON escapes, and no half of a character. */
const plain = /^[ !#-[\]-~]*$/

function text(value: string): string {
  if (plain.test(value)) return `"${value}"`
  if (!value.isWellFormed()) throw new Misfit('text with an unpaired surrogate')
  return JSON.stringify(value)
}
