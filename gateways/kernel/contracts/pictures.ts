/** Where packets go, or come from. */
export interface PictureAddress {
  readonly address: string
  readonly port: number
}

/** What pictures are of: who takes part, or what is shown beside (H.239). */
export type PictureKind = 'people' | 'content'

/** What a viewer can be sent at most. */
export interface PictureLimits {
  /** Of one picture (MaxFS). */
  readonly macroblocks: number
  readonly bitsPerSecond: number
}

/** Levels of H.264 baseline by level_idc, 9 for level 1b: macroblocks of a picture (MaxFS) and rate (MaxBR). @see ITU-T H.264 table A-1 */
export const h264Levels: ReadonlyMap<number, PictureLimits> = new Map(
  (
    [
      [10, 99, 64],
      [9, 99, 128],
      [11, 396, 192],
      [12, 396, 384],
      [13, 396, 768],
      [20, 396, 2000],
      [21, 792, 4000],
      [22, 1620, 4000],
      [30, 1620, 10_000],
      [31, 3600, 14_000],
      [32, 5120, 20_000],
      [40, 8192, 20_000],
      [41, 8192, 50_000],
      [42, 8704, 50_000],
      [50, 22_080, 135_000],
      [51, 36_864, 240_000]
    ] as const
  ).map(([level, macroblocks, kbps]) => [level, { macroblocks, bitsPerSecond: kbps * 1000 }])
)

/** What was agreed on for one participant's pictures: H.264 with fragments (RFC 6184, mode 1). */
export interface PictureTerms {
  /** Where the participant receives; where it is to be expected to send from. */
  readonly rtp: PictureAddress
  readonly rtcp: PictureAddress
  /** Payload type of what goes to it; null for nothing. */
  readonly sends: number | null
  /** Payload type of what comes from it; null for nothing. */
  readonly receives: number | null
  /** What it can be sent; null where all that is sent here fits. */
  readonly takes: PictureLimits | null
}

/** One participant's pictures, both ways. */
export interface PictureLeg {
  readonly rtp: PictureAddress
  readonly rtcp: PictureAddress
  readonly agree: (terms: PictureTerms) => void
  /** The participant has lost its picture. */
  readonly refresh: () => void
  /** Told when a whole picture is wanted of the participant, beside RTCP. */
  readonly onKeyFrameWanted: (listener: () => void) => void
  /** Idempotent. */
  readonly close: () => void
}

/** The port through which gateways share pictures. Nothing is decoded: everybody has to take what anybody sends. */
export interface PicturePort {
  /** Null when no ports are free. */
  readonly open: (conference: string, participant: string, kind: PictureKind) => Promise<PictureLeg | null>
  /** Whom a participant sees from now on, or all of them (`viewer` null); `source` null for whoever speaks. */
  readonly show: (conference: string, viewer: string | null, source: string | null) => void
  /** Whose picture a participant sees; null for nobody's. */
  readonly shownTo: (conference: string, participant: string, kind: PictureKind) => string | null
}
