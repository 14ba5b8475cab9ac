/** Where packets go, or come from. */
export interface PictureAddress {
  readonly address: string
  readonly port: number
}

/** What pictures are of: who takes part, or what is shown beside (H.239). */
export type PictureKind = 'people' | 'content'

/** What was agreed on for one participant's pictures: H.264 with fragments (RFC 6184, mode 1). */
export interface PictureTerms {
  /** Where the participant receives; where it is to be expected to send from. */
  readonly rtp: PictureAddress
  readonly rtcp: PictureAddress
  /** Payload type of what goes to it; null for nothing. */
  readonly sends: number | null
  /** Payload type of what comes from it; null for nothing. */
  readonly receives: number | null
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
