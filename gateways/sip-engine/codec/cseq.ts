export interface CSeq {
  readonly number: number
  readonly method: string
}

const cseqForm = /^(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]{1,64})$/
const rackForm = /^(\d{1,10})[ \t]+(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]{1,64})/

/** Reads a CSeq value; undefined where it is malformed or 2^31 or more (RFC 3261 §8.1.1.5). */
export function parseCSeq(value: string): CSeq | undefined {
  const match = cseqForm.exec(value)
  if (match === null) return undefined
  const number = Number(match[1])
  return number > 0x7fff_ffff ? undefined : { number, method: match[2]! }
}

export interface RAck {
  readonly rseq: number
  readonly cseq: CSeq
}

/** Reads a RAck value (RFC 3262 §7.2). Text behind the method is ignored: some peers repeat it. */
export function parseRAck(value: string): RAck | undefined {
  const match = rackForm.exec(value)
  if (match === null) return undefined
  return { rseq: Number(match[1]), cseq: { number: Number(match[2]), method: match[3]! } }
}
