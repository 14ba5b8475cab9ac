import type { UsageError } from './arguments.ts'

/** What would help: the word that was meant, or the words there are; undefined when neither is known. */
export function hintFor({ unknown }: UsageError): string | undefined {
  if (unknown === undefined) return undefined
  const { typed, known, before, told } = unknown
  const meant = nearest(typed, known)
  if (meant !== undefined) return `did you mean ${before}${meant}?`
  return told === true ? undefined : `there are: ${known.join(', ')}`
}

/** The candidate that `typed` was probably meant to be: one that begins with it, else the nearest within a third of its length; undefined when none is near. */
export function nearest(typed: string, candidates: readonly string[]): string | undefined {
  if (typed === '') return undefined
  const begun = candidates.filter((candidate) => candidate.startsWith(typed))
  if (begun.length === 1) return begun[0]
  const limit = Math.max(1, Math.floor(typed.length / 3))
  const ranked = candidates
    .filter((candidate) => Math.abs(candidate.length - typed.length) <= limit)
    .map((candidate) => ({ candidate, distance: editDistance(typed, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= limit ? best.candidate : undefined
}

/** Fewest insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      let best = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        best = Math.min(best, before[column - 2]! + 1)
      current.push(best)
    }
    before = previous
    previous = current
  }
  return previous[b.length]!
}
