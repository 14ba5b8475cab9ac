import { within } from './failure.ts'
import { readOpen } from './open-type.ts'
import type { PerReader } from './reader.ts'
import { type Component, type Infer, type Optional, type SizeConstraint, sizeOf, type Type, type WithDefault } from './type.ts'
import type { PerWriter } from './writer.ts'

/**
 * Where a decoded sequence keeps what it needs to become the same octets again: absent when the sender's extension bitmap was as long as the type
 * defined here has additions, and held something, all of it known. Copying a message with `{...message}` keeps it.
 */
export const received: unique symbol = Symbol('received')

export interface ReceivedAdditions {
  /** Bits of the extension bitmap: senders of older versions send fewer, and some trim what is 0. */
  readonly bitmapLength: number
  /** Additions of later versions, by their place in the bitmap. */
  readonly unknown: readonly { readonly index: number; readonly octets: Uint8Array }[]
}

export interface Extensible {
  readonly [received]?: ReceivedAdditions
}

type Components = Readonly<Record<string, Type<unknown> | Optional<unknown> | WithDefault<unknown>>>
type Additions = Readonly<Record<string, Type<unknown>>>

type MaybeAbsent<R> = { [K in keyof R]: R[K] extends Optional<unknown> | WithDefault<unknown> ? K : never }[keyof R]

export type SequenceValue<R, A> = { readonly [K in Exclude<keyof R, MaybeAbsent<R>>]: Infer<R[K]> } & {
  readonly [K in MaybeAbsent<R>]?: R[K] extends Optional<infer T> ? T : R[K] extends WithDefault<infer T> ? T : never
} & { readonly [K in keyof A]?: Infer<A[K]> }

const componentsOf = (components: Components): Component[] =>
  Object.entries(components).map(([name, given]) => {
    if ('optional' in given) return { name, type: given.optional, optional: true }
    if ('defaultValue' in given) return { name, type: given.type, optional: true, defaultValue: given.defaultValue }
    return { name, type: given, optional: false }
  })

/** Bits of the longest extension bitmap taken; the longest in the standards has 36. */
const maxBitmap = 256

/**
 * X.691 §19: SEQUENCE, its components by name in the order of the standard.
 *
 * @param additions what stands behind the extension marker; undefined where there is no marker. Every addition may be absent: an older peer does not
 *   send it.
 */
export function sequence<const R extends Components>(components: R): Type<SequenceValue<R, unknown>>
export function sequence<const R extends Components, const A extends Additions>(
  components: R,
  additions: A
): Type<SequenceValue<R, A> & Extensible>
export function sequence(root: Components, extra?: Additions): Type<unknown> {
  const components = componentsOf(root)
  const additions =
    extra === undefined ? undefined : Object.entries(extra).map(([name, type]) => ({ name, type, optional: true }))
  const optionals = components.filter((component) => component.optional).length
  const known = additions?.length ?? 0
  return {
    shape: { kind: 'sequence', components, additions },
    read(reader) {
      const extended = additions !== undefined && reader.bit()
      let presence = reader.position
      reader.skip(optionals)
      const value: Record<string | symbol, unknown> = {}
      for (const component of components) {
        if (component.optional && !reader.bitAt(presence++)) {
          if (component.defaultValue !== undefined) value[component.name] = component.defaultValue
          continue
        }
        try {
          value[component.name] = component.type.read(reader)
        } catch (error) {
          throw within(error, component.name)
        }
      }
      if (extended) readAdditions(reader, additions, value)
      return value
    },
    write(writer, value) {
      if (typeof value !== 'object' || value === null) return writer.expected('an object', value)
      const fields = value as Readonly<Record<string | symbol, unknown>>
      let bitmapLength = 0
      if (additions !== undefined) {
        bitmapLength = bitmapLengthOf(additions, fields)
        writer.bit(bitmapLength > 0)
      }
      let presence = writer.position
      writer.zeros(optionals)
      for (const component of components) {
        const field = fields[component.name]
        if (component.optional) {
          const at = presence++
          if (field === undefined || field === component.defaultValue) continue
          writer.setBit(at)
        }
        try {
          component.type.write(writer, field)
        } catch (error) {
          throw within(error, component.name)
        }
      }
      if (bitmapLength > 0) writeAdditions(writer, additions!, fields, bitmapLength)
    }
  }

  function readAdditions(reader: PerReader, list: readonly Component[], value: Record<string | symbol, unknown>): void {
    const bitmapLength = reader.smallLength()
    if (bitmapLength > maxBitmap) reader.fail('h323.per.length', `extension bitmap of ${bitmapLength} bits`)
    const bitmap = reader.position
    reader.skip(bitmapLength)
    let unknown: { index: number; octets: Uint8Array }[] | undefined
    let present = 0
    for (let index = 0; index < bitmapLength; index++) {
      if (!reader.bitAt(bitmap + index)) continue
      present++
      const component = list[index]
      if (component === undefined) {
        unknown ??= []
        unknown.push({ index, octets: reader.lengthAndOctets() })
        continue
      }
      try {
        value[component.name] = readOpen(reader, component.type)
      } catch (error) {
        throw within(error, component.name)
      }
    }
    if (bitmapLength !== known || unknown !== undefined || present === 0)
      value[received] = { bitmapLength, unknown: unknown ?? [] }
  }
}

/** 0 when there is nothing behind the extension marker. */
function bitmapLengthOf(additions: readonly Component[], fields: Readonly<Record<string | symbol, unknown>>): number {
  const kept = fields[received] as ReceivedAdditions | undefined
  if (kept === undefined) return additions.some(({ name }) => fields[name] !== undefined) ? additions.length : 0
  const last = additions.findLastIndex(({ name }) => fields[name] !== undefined)
  const lastUnknown = kept.unknown.reduce((most, { index }) => Math.max(most, index), -1)
  return Math.max(kept.bitmapLength, last + 1, lastUnknown + 1)
}

function writeAdditions(
  writer: PerWriter,
  additions: readonly Component[],
  fields: Readonly<Record<string | symbol, unknown>>,
  bitmapLength: number
): void {
  writer.smallLength(bitmapLength)
  const bitmap = writer.position
  writer.zeros(bitmapLength)
  for (const [index, { name, type }] of additions.entries()) {
    const field = fields[name]
    if (field === undefined) continue
    writer.setBit(bitmap + index)
    try {
      writer.open((inner) => type.write(inner, field))
    } catch (error) {
      throw within(error, name)
    }
  }
  for (const { index, octets } of (fields[received] as ReceivedAdditions | undefined)?.unknown ?? []) {
    if (index < additions.length) writer.expected('unknown additions behind the known ones', index)
    writer.setBit(bitmap + index)
    writer.align()
    writer.lengthAndOctets(octets)
  }
}

/** X.691 §20: SEQUENCE OF. */
export function sequenceOf<T>(element: Type<T>, constraint?: SizeConstraint): Type<readonly T[]> {
  const size = sizeOf(constraint)
  const isConstrained = size.max < 65_536
  const isFixed = size.min === size.max && isConstrained
  const readInto = (reader: PerReader, list: T[], count: number): void => {
    reader.take(count)
    for (let i = 0; i < count; i++) {
      try {
        list.push(element.read(reader))
      } catch (error) {
        throw within(error, `[${list.length}]`)
      }
    }
  }
  return {
    shape: { kind: 'sequenceOf', element, size },
    read(reader) {
      const list: T[] = []
      if (isConstrained) readInto(reader, list, isFixed ? size.min : reader.constrained(size.min, size.max))
      else {
        let more = true
        while (more) {
          const fragment = reader.fragment()
          readInto(reader, list, fragment.count)
          more = fragment.more
        }
        if (list.length < size.min || list.length > size.max) {
          reader.fail('h323.per.constraint', `${list.length} elements, ${size.min}–${size.max} allowed`)
        }
      }
      return list
    },
    write(writer, value) {
      if (!Array.isArray(value) || value.length < size.min || value.length > size.max) {
        return writer.expected(`a list${constraint === undefined ? '' : ` of ${size.min}–${size.max}`}`, value)
      }
      const writeElements = (from: number, to: number): void => {
        for (let i = from; i < to; i++) {
          try {
            element.write(writer, value[i])
          } catch (error) {
            throw within(error, `[${i}]`)
          }
        }
      }
      if (!isConstrained) return writer.fragments(value.length, writeElements)
      if (!isFixed) writer.constrained(value.length, size.min, size.max)
      writeElements(0, value.length)
    }
  }
}

/** X.691 §22: SET OF. Basic PER keeps the order given, so it is a SEQUENCE OF. */
export const setOf = sequenceOf
