import type { Type } from './type.ts'

/**
 * X.691 §14: ENUMERATED, as the names of its items in the order of their numbers.
 *
 * @param additions names behind the extension marker; undefined where there is none. With a marker, an item not known here is its number, counted
 *   from the first addition.
 */
export function enumerated<const N extends string>(names: readonly N[]): Type<N>
export function enumerated<const N extends string, const A extends string>(
  names: readonly N[],
  additions: readonly A[]
): Type<N | A | number>
export function enumerated(names: readonly string[], additions?: readonly string[]): Type<string | number> {
  const index = new Map(names.map((name, at) => [name, at]))
  const additionIndex = new Map((additions ?? []).map((name, at) => [name, at]))
  const allowed = `one of ${[...names, ...(additions ?? [])].join(', ')}`
  return {
    shape: { kind: 'enumerated', names, additions },
    read(reader) {
      if (additions !== undefined && reader.bit()) {
        const at = reader.small()
        return additions[at] ?? at
      }
      return names[reader.constrained(0, names.length - 1)]!
    },
    write(writer, value) {
      const at = index.get(value as string)
      if (additions !== undefined) writer.bit(at === undefined)
      if (at !== undefined) return writer.constrained(at, 0, names.length - 1)
      const addition = typeof value === 'number' ? value : additionIndex.get(value as string)
      if (
        additions === undefined ||
        addition === undefined ||
        !Number.isInteger(addition) ||
        addition < 0 ||
        addition > 0xff_ff
      ) {
        return writer.expected(allowed, value)
      }
      writer.small(addition)
    }
  }
}
