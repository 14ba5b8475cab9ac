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
  return write(value, '$', 0)
}

function write(value: Json | undefined, path: string, depth: number): string {
  if (depth > maxDepth) throw invalid(path, `nested deeper than ${maxDepth}`)
  switch (typeof value) {
    case 'string':
      return text(value, path)
    case 'number':
      if (!Number.isFinite(value)) throw invalid(path, 'not a finite number')
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value)
        ? `[${Array.from(value as readonly Json[], (item, index) => write(item, `${path}[${index}]`, depth + 1)).join(',')}]`
        : writeObject(value as { readonly [key: string]: Json }, path, depth)
    default:
      throw invalid(path, `${typeof value} is not JSON`)
  }
}

function writeObject(value: { readonly [key: string]: Json }, path: string, depth: number): string {
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw invalid(path, 'not a plain object')
  const members: string[] = []
  for (const key of Object.keys(value).sort()) {
    members.push(`${text(key, path)}:${write(value[key], `${path}.${key}`, depth + 1)}`)
  }
  return `{${members.join(',')}}`
}

function text(value: string, path: string): string {
  if (!value.isWellFormed()) throw invalid(path, 'text with an unpaired surrogate')
  return JSON.stringify(value)
}

function invalid(path: string, problem: string): InfraFabricError {
  return new InfraFabricError('ledger.entry.invalid', `${path.slice(0, 200)}: ${problem}`)
}
