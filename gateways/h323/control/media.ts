/** What one side knows about the sound of a call: where it receives, and what was agreed on. */
export interface Address {
  readonly ip: string
  readonly port: number
}

/** Codecs by their names in SDP. */
export type AudioCodec = 'opus' | 'G722' | 'PCMU' | 'PCMA' | 'G729'

/** Where and how this side receives sound. */
export interface LocalMedia {
  readonly rtp: Address
  readonly rtcp: Address
  /** The preferred one first. */
  readonly codecs: readonly AudioCodec[]
  /** Payload type of telephone-event (RFC 4733) that is received; null where it is not. */
  readonly eventPayloadType: number | null
  /** Payload type of opus that is received; null where it is not. */
  readonly opusPayloadType: number | null
}

/** What logical channels carry now. The plane has one codec for both ways; where no way is open the sound is paused. */
export interface MediaTerms {
  readonly codec: AudioCodec
  /** Payload type that the peer receives and sends. */
  readonly payloadType: number
  /** Where the peer receives; null while no channel to it is open. */
  readonly remote: { readonly rtp: Address; readonly rtcp: Address | null } | null
  readonly sends: boolean
  readonly receives: boolean
  /** Payload type of telephone-event that the peer receives; null where it does not. */
  readonly eventPayloadType: number | null
}
