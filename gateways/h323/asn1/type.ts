import type { PerReader } from './reader.ts'
import type { PerWriter } from './writer.ts'

/**
 * An ASN.1 type as a value: what it holds, and the two closures that read and write it.
 *
 * `T` is the type of its TypeScript values: {@link Infer}. `write` checks what it is given, so it takes anything.
 */
export interface Type<out T> {
  readonly shape: Shape
  readonly read: (reader: PerReader) => T
  readonly write: (writer: PerWriter, value: unknown) => void
}

export type Infer<X> = X extends Type<infer T> ? T : never

/** A component that may be absent. */
export interface Optional<out T> {
  readonly optional: Type<T>
}

/** A component that has a value where it is absent. */
export interface WithDefault<out T> {
  readonly type: Type<T>
  readonly defaultValue: T
}

/** `max` may be Infinity. */
export interface Size {
  readonly min: number
  readonly max: number
}

export interface Component {
  readonly name: string
  readonly type: Type<unknown>
  readonly optional: boolean
  readonly defaultValue?: unknown
}

/** What a type is made of, for whatever walks over values: printers, generators of test values, comparisons. */
export type Shape =
  | { readonly kind: 'boolean' | 'null' | 'objectIdentifier' }
  | { readonly kind: 'integer'; readonly lower: number; readonly upper: number; readonly extensible: boolean }
  | { readonly kind: 'enumerated'; readonly names: readonly string[]; readonly additions: readonly string[] | undefined }
  | { readonly kind: 'bitString' | 'octetString'; readonly size: Size }
  | { readonly kind: 'characterString'; readonly name: string; readonly size: Size; readonly alphabet: string | undefined }
  | {
      readonly kind: 'sequence'
      readonly components: readonly Component[]
      /** Undefined: no extension marker. */
      readonly additions: readonly Component[] | undefined
    }
  | { readonly kind: 'sequenceOf'; readonly element: Type<unknown>; readonly size: Size }
  | {
      readonly kind: 'choice'
      readonly alternatives: readonly Component[]
      readonly additions: readonly Component[] | undefined
    }
  | { readonly kind: 'openType'; readonly content: Type<unknown> | undefined }
  | { readonly kind: 'lazy'; readonly resolve: () => Type<unknown> }

/** A type that is defined further down or contains itself. Each pass counts as one level of depth. */
export function lazy<T>(resolve: () => Type<T>): Type<T> {
  return {
    shape: { kind: 'lazy', resolve },
    read(reader) {
      reader.enter()
      const value = resolve().read(reader)
      reader.leave()
      return value
    },
    write(writer, value) {
      writer.enter()
      resolve().write(writer, value)
      writer.leave()
    }
  }
}

export const optional = <T>(type: Type<T>): Optional<T> => ({ optional: type })

export const withDefault = <T>(type: Type<T>, defaultValue: NoInfer<T>): WithDefault<T> => ({ type, defaultValue })

/** `16` is exactly 16, `[1, 128]` from 1 to 128. */
export type SizeConstraint = number | readonly [min: number, max: number]

export function sizeOf(size: SizeConstraint | undefined): Size {
  if (size === undefined) return { min: 0, max: Number.POSITIVE_INFINITY }
  return typeof size === 'number' ? { min: size, max: size } : { min: size[0], max: size[1] }
}
