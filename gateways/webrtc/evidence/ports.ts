/** What evidence needs of others; the suite gives it. */
import type { Clock, Log, MediaRefusal, ParticipantRole, Witness } from '#kernel'
import type { EvidenceStore } from './store.ts'

/** One data channel of a page: ordered, reliable. */
export interface PagePipe {
  readonly stream: number
  readonly send: (message: Buffer | string) => Promise<void>
  readonly drained: () => Promise<void>
  readonly onMessage: (listener: (message: Buffer, isText: boolean) => void) => void
  readonly close: () => void
}

/** A page's connection for data channels. */
export interface PageConnection {
  readonly connected: () => Promise<void>
  readonly onGone: (listener: (reason: string) => void) => void
  readonly open: (label: string) => Promise<PagePipe>
  readonly close: () => void
}

/** How a page gets a channel: opened on both sides when it resolves. */
export interface PageChannels {
  readonly open: (call: string) => Promise<PagePipe>
}

/** Whoever sits on a seat of the council. */
export interface SeatedPage {
  /** Of the seat; no secret. */
  readonly key: string
  readonly party: string
  readonly participant: string
  readonly role: ParticipantRole
  readonly conference: string
}

export interface EvidencePorts {
  readonly store: EvidenceStore
  readonly openData: (
    offer: string
  ) => Promise<{ readonly ok: true; readonly link: PageConnection; readonly sdp: string } | MediaRefusal>
  readonly witness: Pick<Witness, 'record'>
  readonly clock: Clock
  readonly log: Log
}
