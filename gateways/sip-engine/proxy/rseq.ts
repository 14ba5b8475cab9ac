/**
 * RSeq numbers of forked INVITEs. Each fork counts its reliable provisional responses from where it likes, but a caller that reads RFC 3262 §4 to
 * the letter acknowledges only the number that follows the one before, whoever sent it. So they are numbered through: the first is kept, every new
 * one gets the next number. An INVITE that does not fork keeps its numbers by this rule.
 */
export interface RSeqNumbering {
  readonly numbers: Map<string, number>
  latest: number
}

export function createRSeqNumbering(): RSeqNumbering {
  return { numbers: new Map(), latest: 0 }
}

/** Reliable provisional responses of one INVITE that are kept apart; later ones go through with their own numbers. */
const maxNumbers = 256

/** The number a response goes back with: the same one each time the response comes. */
export function numberThrough(numbering: RSeqNumbering, toTag: string, rseq: number): number {
  const key = `${rseq} ${toTag}`
  const known = numbering.numbers.get(key)
  if (known !== undefined) return known
  if (numbering.numbers.size >= maxNumbers) return rseq
  const number = numbering.numbers.size === 0 ? rseq : numbering.latest + 1
  numbering.latest = number
  numbering.numbers.set(key, number)
  return number
}
