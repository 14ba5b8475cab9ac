import { within } from './failure.ts'
import { readOpen } from './open-type.ts'
import type { Component, Infer, Type } from './type.ts'

type Alternatives = Readonly<Record<string, Type<unknown>>>

type Alternative<K, T> = [T] extends [null] ? { readonly type: K } : { readonly type: K; readonly value: T }

/** An alternative of a later version: its place among the additions and its encoding. */
export interface UnknownExtension {
  readonly type: 'unknownExtension'
  readonly index: number
  readonly value: Uint8Array
}

export type ChoiceValue<R> = { readonly [K in keyof R]: Alternative<K, Infer<R[K]>> }[keyof R]

const componentsOf = (alternatives: Alternatives): Component[] =>
  Object.entries(alternatives).map(([name, type]) => ({ name, type, optional: false }))

/**
 * X.691 §23: CHOICE, its alternatives by name in the order of their tags. A value is `{ type, value }`, of a NULL alternative `{ type }`.
 *
 * @param additions what stands behind the extension marker; undefined where there is no marker
 */
export function choice<const R extends Alternatives>(alternatives: R): Type<ChoiceValue<R>>
export function choice<const R extends Alternatives, const A extends Alternatives>(
  alternatives: R,
  additions: A
): Type<ChoiceValue<R> | ChoiceValue<A> | UnknownExtension>
export function choice(root: Alternatives, extra?: Alternatives): Type<unknown> {
  const alternatives = componentsOf(root)
  const additions = extra === undefined ? undefined : componentsOf(extra)
  const index = new Map(alternatives.map(({ name }, at) => [name, at]))
  const additionIndex = new Map((additions ?? []).map(({ name }, at) => [name, at]))
  const last = alternatives.length - 1
  /** Values without content need not be made anew. */
  const plain = new Map([...alternatives, ...(additions ?? [])].map(({ name }) => [name, Object.freeze({ type: name })]))

  const alternativeOf = ({ name }: Component, value: unknown): unknown =>
    value === null ? plain.get(name) : { type: name, value }

  return {
    shape: { kind: 'choice', alternatives, additions },
    read(reader) {
      if (additions !== undefined && reader.bit()) {
        const at = reader.small()
        const addition = additions[at]
        if (addition === undefined) return { type: 'unknownExtension', index: at, value: reader.lengthAndOctets() }
        try {
          return alternativeOf(addition, readOpen(reader, addition.type))
        } catch (error) {
          throw within(error, addition.name)
        }
      }
      const alternative = alternatives[reader.constrained(0, last)]!
      try {
        return alternativeOf(alternative, alternative.type.read(reader))
      } catch (error) {
        throw within(error, alternative.name)
      }
    },
    write(writer, value) {
      const given = (value ?? {}) as { readonly type?: string; readonly value?: unknown; readonly index?: number }
      const content = given.value === undefined ? null : given.value
      const at = index.get(given.type ?? '')
      if (additions !== undefined) writer.bit(at === undefined)
      if (at !== undefined) {
        writer.constrained(at, 0, last)
        try {
          return alternatives[at]!.type.write(writer, content)
        } catch (error) {
          throw within(error, given.type!)
        }
      }
      const additionAt = additionIndex.get(given.type ?? '')
      if (additionAt !== undefined) {
        writer.small(additionAt)
        try {
          return writer.open((inner) => additions![additionAt]!.type.write(inner, content))
        } catch (error) {
          throw within(error, given.type!)
        }
      }
      const isUnknown = additions !== undefined && given.type === 'unknownExtension' && content instanceof Uint8Array
      if (!isUnknown || !Number.isInteger(given.index) || given.index! < additions.length || given.index! > 0xff_ff) {
        return writer.expected(`an alternative (${[...index.keys(), ...additionIndex.keys()].join(', ')})`, given.type)
      }
      writer.small(given.index!)
      writer.align()
      writer.lengthAndOctets(content)
    }
  }
}
