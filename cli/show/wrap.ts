/** Columns where stdout is no terminal. */
export const usualColumns = 100
const leastColumns = 40

/** Breaks text at blanks so that no line is longer than `columns`; a word that alone is longer is cut. */
export function wrap(text: string, columns: number): string[] {
  if (text.length <= columns) return [text]
  const lines: string[] = []
  let from = 0
  while (text.length - from > columns) {
    const blank = text.lastIndexOf(' ', from + columns)
    const to = blank > from ? blank : from + columns
    lines.push(text.slice(from, to))
    from = blank > from ? blank + 1 : to
  }
  return [...lines, text.slice(from)]
}

/**
 * Names with what they mean, the meanings aligned and broken so that no line is longer than `columns`. Where names leave meanings too little room, a
 * meaning begins on the line below its name.
 */
export function definitions(rows: readonly (readonly [name: string, meaning: string])[], columns: number): string[] {
  const width = Math.max(leastColumns, columns)
  const longest = Math.max(0, ...rows.map(([name]) => name.length))
  const indent = Math.min(longest, Math.floor(width / 3)) + 2
  return rows.flatMap(([name, meaning]) => {
    const [first, ...rest] = wrap(meaning, width - indent)
    const below = [...rest].map((line) => ' '.repeat(indent) + line)
    if (name.length + 2 <= indent) return [`${name.padEnd(indent)}${first}`.trimEnd(), ...below]
    return [...wrap(name, width), ...(meaning === '' ? [] : [' '.repeat(indent) + first, ...below])]
  })
}
