import { stripVTControlCharacters } from 'node:util'

const gap = 2
/** A column is not made narrower than this. */
const leastWidth = 6

const widthOf = (cell: string): number => stripVTControlCharacters(cell).length

/**
 * Columns aligned to their widest cell, two blanks apart; cells may hold colours.
 *
 * @param columns of the terminal: what would not fit is cut from the widest columns, and `…` put there. Undefined: nothing is cut
 */
export function table(rows: readonly (readonly string[])[], columns?: number): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))
  if (columns !== undefined) narrow(widths, columns)
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const shown = cut(cell, widths[column]!)
        return shown + ' '.repeat(widths[column]! - widthOf(shown))
      })
      .join(' '.repeat(gap))
      .trimEnd()
  )
}

/** Takes from the widest, one by one, until all fit or none can give more. */
function narrow(widths: number[], columns: number): void {
  const total = (): number => widths.reduce((sum, width) => sum + width + gap, -gap)
  for (let over = total() - columns; over > 0; over--) {
    const widest = widths.indexOf(Math.max(...widths))
    if (widths[widest]! <= leastWidth) return
    widths[widest]!--
  }
}

const colours = /\u001b\[[\d;]*m/g

function cut(cell: string, width: number): string {
  if (widthOf(cell) <= width) return cell
  const [before = '', after = ''] = cell.match(colours) ?? []
  return `${before}${stripVTControlCharacters(cell).slice(0, width - 1)}…${after}`
}
