/** Which codecs the two sides of a bridge speak: the same, a pair that is transcoded, or G.711. Pure. */

/** Names as in SDP. */
export type CodecName = 'opus' | 'G722' | 'PCMU' | 'PCMA' | 'G729'

const stages = ['direct', 'transcoded', 'g711'] as const

export interface Agreement {
  readonly stage: (typeof stages)[number]
  readonly sip: CodecName
  readonly h323: CodecName
}

/** What each codec carries, Hz, and what coding and decoding 20 ms cost, µs of a processor. */
const codecs: Readonly<Record<CodecName, { readonly carriesHz: number; readonly costUs: number }>> = {
  opus: { carriesHz: 20_000, costUs: 189 },
  G722: { carriesHz: 7000, costUs: 25 },
  PCMU: { carriesHz: 3400, costUs: 1 },
  PCMA: { carriesHz: 3400, costUs: 1 },
  G729: { carriesHz: 3400, costUs: 49 }
}

export interface Abilities {
  /** Codecs of the SIP side in its order of preference; null where it has not said (a late offer). */
  readonly sip: readonly CodecName[] | null
  /** Codecs of the H.323 side, likewise. */
  readonly h323: readonly CodecName[] | null
  /** Codecs that can be coded and decoded here. */
  readonly here: ReadonlySet<CodecName>
}

/**
 * Three stages, the first that yields something decides:
 *
 * 1. direct: a codec of both, the first in the order of the SIP side;
 * 2. transcoded: the pair that keeps most of the sound, then the cheaper one, then the earlier in both orders;
 * 3. G.711, where a side has not said what it speaks, or an H.323 terminal named only what is not spoken here: each has to have G.711 (H.323 §6.2.5).
 *
 * @returns null when the SIP side insists on what is not spoken here
 */
export function negotiate({ sip, h323, here }: Abilities): Agreement | null {
  if (sip !== null && h323 !== null) {
    const same = sip.find((codec) => here.has(codec) && h323.includes(codec))
    if (same !== undefined) return { stage: 'direct', sip: same, h323: same }
    const pairs = sip
      .filter((codec) => here.has(codec))
      .flatMap((ours) => h323.filter((codec) => here.has(codec)).map((theirs) => ({ ours, theirs })))
    const best = pairs.reduce<(typeof pairs)[number] | null>(
      (chosen, pair) => (chosen === null || isBetter(pair, chosen) ? pair : chosen),
      null
    )
    if (best !== null) return { stage: 'transcoded', sip: best.ours, h323: best.theirs }
  }
  const ours = sip === null ? 'PCMU' : sip.find(isG711)
  return ours === undefined ? null : { stage: 'g711', sip: ours, h323: h323?.find(isG711) ?? 'PCMU' }
}

const isG711 = (codec: CodecName): boolean => codec === 'PCMU' || codec === 'PCMA'

interface Pair {
  readonly ours: CodecName
  readonly theirs: CodecName
}

/** Strictly better: of two that are alike the earlier stays. */
function isBetter(a: Pair, b: Pair): boolean {
  const carries = ({ ours, theirs }: Pair): number => Math.min(codecs[ours].carriesHz, codecs[theirs].carriesHz)
  const costs = ({ ours, theirs }: Pair): number => codecs[ours].costUs + codecs[theirs].costUs
  return carries(a) > carries(b) || (carries(a) === carries(b) && costs(a) < costs(b))
}
