/** Splits a line into words as a shell does, as far as examples go: blanks, and single quotes. */
export function splitWords(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ''))
}
