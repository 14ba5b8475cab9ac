export interface CSeq {
  readonly number: number
  readonly method: string
}

const cseqForm = /^(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]{1,64})$/
const rackForm = /^(\d{1,10})[ \t]+(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]{1,64})/
const rseqForm = /^\d{1,10}$/
const maxCSeq = 0x7fff_ffff
const maxRSeq = 0xffff_ffff

/** Reads a CSeq value; undefined where it is malformed or 2^31 or more (RFC 3261 §8.1.1.5). */
export function parseCSeq(value: string): CSeq | undefined {
  const match = cseqForm.exec(value)
  if (match === null) return undefined
  const number = Number(match[1])
  return number > maxCSeq ? undefined : { number, method: match[2]! }
}

export function formatCSeq(cseq: CSeq): string {
  return `${cseq.number} ${cseq.method}`
}

/** Reads an RSeq value: 1 to 2^32−1 (RFC 3262 §7.1); undefined where it is not that. */
export function parseRSeq(value: string): number | undefined {
  const number = rseqForm.test(value) ? Number(value) : 0
  return number === 0 || number > maxRSeq ? undefined : number
}

export interface RAck {
  readonly rseq: number
  readonly cseq: CSeq
}

/** Reads a RAck value (RFC 3262 §7.2). Text behind the method is ignored: some peers repeat it. */
export function parseRAck(value: string): RAck | undefined {
  const match = rackForm.exec(value)
  if (match === null) return undefined
  const rseq = Number(match[1])
  const number = Number(match[2])
  return rseq > maxRSeq || number > maxCSeq ? undefined : { rseq, cseq: { number, method: match[3]! } }
}

export function formatRAck({ rseq, cseq }: RAck): string {
  return `${rseq} ${formatCSeq(cseq)}`
}
