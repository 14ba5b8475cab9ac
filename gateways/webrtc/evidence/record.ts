/**
 * What becomes of evidence, in the three places where it is told: the ledger, the list of who got what, and the counts for figures.
 */
import { type CallBridgeChange, errorCode, type JsonObject } from '#kernel'
import type { LinkStatistics } from './link/link-ports.ts'
import type { Receipt } from './link/messages.ts'
import type { EvidenceRefusalCode } from './names.ts'
import type { EvidencePorts, SeatedPage } from './ports.ts'
import type { EvidenceItem } from './store.ts'
import { type EvidenceTotals, emptyTotals, type RefusedDirection, totalsWith } from './totals.ts'

const component = 'IF.bridge.evidence'

/** How somebody has got a file, or has not. */
export interface Delivery {
  readonly participant: string
  readonly how: 'page' | 'link' | 'video'
  /** Of `video`: `shown` where nothing has confirmed that it came. */
  readonly state: 'received' | 'refused' | 'shown'
  readonly code: string | null
  readonly at: string
}

export interface ShownPicture {
  readonly participant: string
  /** H.239 of a room system, or the stream of slides of a telephone. */
  readonly by: 'h239' | 'sip'
  /** Pixels, and kbit/s. */
  readonly width: number
  readonly height: number
  readonly kbps: number
  /** Whether its receiver has reported that it came (RTCP). */
  readonly isConfirmed: boolean
  /** Of a video: where its viewer came in; it was sent what is from there to the end. */
  readonly fromSeconds?: number
}

/** What was refused, as far as it is known. */
interface RefusedFile {
  readonly evidence: string | null
  readonly bytes: number
  readonly name: string
  readonly direction: RefusedDirection
  readonly code: EvidenceRefusalCode
  readonly reason: string
  /** Whose file, or whose refusal. */
  readonly who: JsonObject
}

/** Of those who got a file, kept for lists; all are in the ledger. */
const mostDeliveries = 1000

export class EvidenceRecord {
  readonly #ports: Pick<EvidencePorts, 'witness' | 'clock' | 'log'>
  readonly #deliveries = new Map<string, Delivery[]>()
  /** Of links that have left their calls, and of what is counted here. */
  #totals = emptyTotals()

  constructor(ports: Pick<EvidencePorts, 'witness' | 'clock' | 'log'>) {
    this.#ports = ports
  }

  get totals(): EvidenceTotals {
    return this.#totals
  }

  deliveriesOf(item: string): readonly Delivery[] {
    return [...(this.#deliveries.get(item) ?? [])]
  }

  /** Counts what a link has done, once. */
  linkEnded(statistics: LinkStatistics): void {
    this.#totals = totalsWith(this.#totals, statistics)
  }

  callOpened(call: string, conference: string): void {
    this.#tell('evidence_session_opened', call, { conference })
  }

  callChanged(call: string, { state, previous, reason }: CallBridgeChange): void {
    this.#tell('evidence_session_state', call, { state, previous, reason })
  }

  callClosed(call: string, reason: string, pages: readonly ({ readonly participant: string } & LinkStatistics)[]): void {
    this.#tell('evidence_session_closed', call, { reason, pages: pages as unknown as JsonObject[] })
  }

  /** @throws what the witness throws: nobody is to be offered the file then */
  async offered({ id, trace, bytes, by, via, name, mediaType, sha256 }: EvidenceItem): Promise<void> {
    // what may have to be forgotten is erasable: by the hash alone a file can be known again
    await this.#record('evidence_offered', trace, { evidence: id, bytes, by, via }, { name, mediaType, sha256 })
    this.#totals.shared[via]++
  }

  /** A page has signed that it has a file. @throws what the witness throws: it is not to be confirmed then */
  async received(call: string, { participant, party }: SeatedPage, receipt: Receipt, key: string): Promise<void> {
    const { id, sha256, bytes, at, signature } = receipt
    await this.#record(
      'evidence_received',
      call,
      { evidence: id, bytes, participant, party, how: 'page', receiptAt: at, receiptKey: key },
      { sha256, signature }
    )
    this.#totals.receipts.page++
    this.#delivered(id, { participant, how: 'page', state: 'received', code: null, at })
  }

  /** A page does not take a file. */
  notTaken(item: string, participant: string, code: EvidenceRefusalCode | null): void {
    this.#delivered(item, { participant, how: 'page', state: 'refused', code, at: this.#now() })
  }

  refused(trace: string, { evidence, bytes, name, direction, code, reason, who }: RefusedFile): void {
    this.#totals.refused[direction][code]++
    this.#tell('evidence_refused', trace, { evidence, bytes, direction, code, reason, ...who }, { name })
  }

  /** A participant without a page has fetched a file to its end. */
  fetched(call: string, participant: string, { id, bytes }: EvidenceItem): void {
    const at = this.#now()
    this.#totals.receipts.link++
    this.#tell('evidence_received', call, { evidence: id, bytes, participant, how: 'link', receiptAt: at })
    this.#delivered(id, { participant, how: 'link', state: 'received', code: null, at })
  }

  /** A picture has been sent to a participant's screen as video. */
  shown(call: string, { id, bytes }: EvidenceItem, how: ShownPicture): void {
    const { participant, by, width, height, kbps, isConfirmed, fromSeconds } = how
    if (isConfirmed) this.#totals.receipts.video++
    const facts = { evidence: id, bytes, participant, by, width, height, kbps, confirmed: isConfirmed }
    this.#tell('evidence_shown', call, fromSeconds === undefined ? facts : { ...facts, fromSeconds })
    this.#delivered(id, { participant, how: 'video', state: isConfirmed ? 'received' : 'shown', code: null, at: this.#now() })
  }

  erased({ id, trace, bytes }: EvidenceItem, reason: string): void {
    this.#deliveries.delete(id)
    this.#tell('evidence_erased', trace, { evidence: id, bytes, reason })
  }

  #now(): string {
    return new Date(this.#ports.clock.now()).toISOString()
  }

  #delivered(item: string, delivery: Delivery): void {
    const all = this.#deliveries.get(item) ?? []
    if (all.length < mostDeliveries) all.push(delivery)
    this.#deliveries.set(item, all)
  }

  async #record(event: string, traceId: string, payload: JsonObject, erasable?: JsonObject): Promise<void> {
    await this.#ports.witness.record({ component, event, traceId, payload, ...(erasable === undefined ? {} : { erasable }) })
  }

  #tell(event: string, traceId: string, payload: JsonObject, erasable?: JsonObject): void {
    this.#record(event, traceId, payload, erasable).catch((error: unknown) =>
      this.#ports.log.error({ event, code: errorCode(error) }, 'entry not recorded')
    )
  }
}
