/** What a link between council and participant works with: a channel, files in both directions, what is told and counted of them. */
import type { Clock } from '#kernel'
import type { EvidenceRefusal, EvidenceRefusalCode } from '../names.ts'
import type { EvidenceMessage, EvidenceOffer } from './messages.ts'
import type { OutgoingState } from './outgoing-machine.ts'

/** A data channel: ordered, reliable. */
export interface EvidenceChannel {
  /** Rejects when the message was not taken. */
  readonly send: (message: Uint8Array<ArrayBuffer> | string) => Promise<void>
  /** Resolves when little waits to be sent, or the channel is closed. */
  readonly room: () => Promise<void>
  readonly onMessage: (listener: (message: Uint8Array | string) => void) => void
  /** Idempotent. */
  readonly close: () => void
}

/** A file to be handed over. */
export interface EvidenceSource extends Omit<EvidenceOffer, 'performative' | 'step'> {
  /** Writes chunk `index` into `into`, which has room for 65,536 octets. @returns its length and its hash */
  readonly read: (index: number, into: Uint8Array) => Promise<{ readonly length: number; readonly sha256: string }>
  /** Nothing is read for now, or any more. */
  readonly release: () => void
}

/** A file that is coming in. It outlives the channel: what is there need not come again. */
export interface EvidencePart {
  /** Number of the first chunk that is missing. */
  readonly next: () => number
  /** @returns false when the octets have another hash: they are not kept. @throws when they cannot be kept */
  readonly write: (index: number, octets: Uint8Array, sha256: string) => Promise<boolean>
  /** Looks at the whole, which becomes evidence. */
  readonly finish: () => Promise<{ readonly ok: true } | EvidenceRefusal>
  /** What is there goes. */
  readonly discard: () => Promise<void>
}

/** Where files come to. */
export interface EvidenceShelf {
  readonly take: (offer: EvidenceOffer) => Promise<{ readonly ok: true; readonly part: EvidencePart } | EvidenceRefusal>
}

export interface TransferProgress {
  readonly id: string
  readonly name: string
  readonly direction: 'in' | 'out'
  readonly bytes: number
  /** Octets that have arrived. */
  readonly done: number
  readonly state: OutgoingState | 'receiving' | 'received'
  readonly code: EvidenceRefusalCode | null
}

/** What a link counts. */
export interface LinkCounts {
  sentChunks: number
  sentBytes: number
  receivedChunks: number
  receivedBytes: number
  /** Handshakes, offers and chunks that had to be sent once more. */
  retries: number
  /** Times that a file which was offered anew went on with what was missing of it. */
  resumes: number
  /** Chunks whose hash was not right. */
  wrongChunks: number
}

export interface LinkStatistics extends Readonly<LinkCounts> {
  /** Octets of files in both directions for each second in which a file was on its way. */
  readonly bytesPerSecond: number
}

/** What the files of either direction have of their link. */
export interface TransferPorts {
  readonly clock: Clock
  readonly counts: LinkCounts
  readonly say: (message: EvidenceMessage) => void
  /** A file has begun or ended its way. */
  readonly onBusy: () => void
  readonly onProgress: (progress: TransferProgress) => void
}
