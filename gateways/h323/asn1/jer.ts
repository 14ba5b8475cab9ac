import type { Type } from './type.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

const hex = (octets: Uint8Array): string => Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('hex')

/**
 * A value in ASN.1's JSON, for people, logs and comparisons: octets as hex, a choice as an object of one member.
 *
 * What only a later version knows has no name: an unknown alternative is `{ unknownExtension: { index, value } }`, unknown additions are left out.
 *
 * @see X.697
 */
export function toJer(type: Type<unknown>, value: unknown): Json {
  const { shape } = type
  switch (shape.kind) {
    case 'lazy':
      return toJer(shape.resolve(), value)
    case 'octetString':
    case 'openType':
      return hex(value as Uint8Array)
    case 'bitString': {
      const { length, bytes } = value as { length: number; bytes: Uint8Array }
      return shape.size.min === shape.size.max ? hex(bytes) : { length, value: hex(bytes) }
    }
    case 'integer':
      return typeof value === 'bigint' ? value.toString() : (value as number)
    case 'sequenceOf':
      return (value as readonly unknown[]).map((element) => toJer(shape.element, element))
    case 'sequence': {
      const fields = value as Readonly<Record<string, unknown>>
      const json: Record<string, Json> = {}
      for (const { name, type } of [...shape.components, ...(shape.additions ?? [])]) {
        const field = fields[name]
        if (field !== undefined) json[name] = toJer(type, field)
      }
      return json
    }
    case 'choice': {
      const given = value as { readonly type: string; readonly value?: unknown; readonly index?: number }
      const alternative = [...shape.alternatives, ...(shape.additions ?? [])].find(({ name }) => name === given.type)
      if (alternative !== undefined) return { [given.type]: toJer(alternative.type, given.value ?? null) }
      return { unknownExtension: { index: given.index!, value: hex(given.value as Uint8Array) } }
    }
    default:
      return value as Json
  }
}

/**
 * The value that {@link toJer} shows, for tests and tools. What does not fit the type is left for the encoder to name.
 */
export function fromJer(type: Type<unknown>, json: Json): unknown {
  const { shape } = type
  switch (shape.kind) {
    case 'lazy':
      return fromJer(shape.resolve(), json)
    case 'octetString':
    case 'openType':
      return Buffer.from(json as string, 'hex')
    case 'bitString': {
      if (typeof json === 'string') return { length: shape.size.min, bytes: Buffer.from(json, 'hex') }
      const { length, value } = json as { length: number; value: string }
      return { length, bytes: Buffer.from(value, 'hex') }
    }
    case 'integer':
      return typeof json === 'string' ? BigInt(json) : json
    case 'sequenceOf':
      return (json as readonly Json[]).map((element) => fromJer(shape.element, element))
    case 'sequence': {
      const types = new Map([...shape.components, ...(shape.additions ?? [])].map(({ name, type }) => [name, type]))
      return Object.fromEntries(
        Object.entries(json as Readonly<Record<string, Json>>).map(([name, field]) => {
          const component = types.get(name)
          return [name, component === undefined ? field : fromJer(component, field)]
        })
      )
    }
    case 'choice': {
      const [name, content] = Object.entries(json as Readonly<Record<string, Json>>)[0]!
      const alternative = [...shape.alternatives, ...(shape.additions ?? [])].find((candidate) => candidate.name === name)
      if (alternative === undefined) {
        const { index, value } = content as { index: number; value: string }
        return { type: 'unknownExtension', index, value: Buffer.from(value, 'hex') }
      }
      const value = fromJer(alternative.type, content)
      return value === null ? { type: name } : { type: name, value }
    }
    default:
      return json
  }
}
