/**
 * Evidence of one call: a link to each page of its conference, and the state that follows from theirs. All served, or none there, is active; one that is
 * not degrades the call.
 */
import { type CallBridgeChange, type CallBridgeState, errorCode } from '#kernel'
import { EvidenceLink } from './link/link.ts'
import type { EvidencePart, EvidenceShelf, EvidenceSource, LinkStatistics } from './link/link-ports.ts'
import type { EvidenceContext, EvidenceOffer, Receipt } from './link/messages.ts'
import type { SessionState } from './link/session-machine.ts'
import { type EvidenceRefusal, type EvidenceRefusalCode, refused } from './names.ts'
import type { EvidencePorts, PageChannels, SeatedPage } from './ports.ts'
import { isSignedReceipt } from './receipts.ts'
import type { EvidenceRecord } from './record.ts'
import type { EvidenceItem, EvidenceStore, OpenEvidence } from './store.ts'
import type { RefusedDirection } from './totals.ts'

/** A call that is open, as `ifctl evidence calls` shows it. */
export interface EvidenceCallView {
  readonly call: string
  readonly conference: string
  readonly state: CallBridgeState
  readonly pages: readonly ({ readonly participant: string; readonly state: SessionState } & LinkStatistics)[]
}

export interface EvidenceCallPorts extends Pick<EvidencePorts, 'store' | 'clock' | 'log'> {
  readonly record: EvidenceRecord
  /** A page has shared a file. @returns why it is not offered; null when it is */
  readonly announce: (item: EvidenceItem, from: string) => Promise<EvidenceRefusal | null>
}

interface SeatLink {
  readonly page: SeatedPage
  readonly link: EvidenceLink
  refusals: number
  /** Its page was there, and went without leaving the seat. */
  isLost: boolean
}

/** A page whose offers are refused so often is cut off. */
const mostRefusals = 100

export class EvidenceCall {
  /** Trace of the call. */
  readonly id: string
  /** Whose evidence it has: its own trace, and the one above it. */
  readonly traces: readonly string[]
  readonly conference: string
  readonly #ports: EvidenceCallPorts
  readonly #links = new Map<string, SeatLink>()
  readonly #listeners = new Set<(change: CallBridgeChange) => void>()
  #context: EvidenceContext
  #state: CallBridgeState = 'IDLE'
  #isClosed = false

  constructor({ id, traces, conference }: Pick<EvidenceCall, 'id' | 'traces' | 'conference'>, ports: EvidenceCallPorts) {
    this.id = id
    this.traces = traces
    this.conference = conference
    this.#ports = ports
    this.#context = { conference, hazard: null, votes: [], policy: [] }
  }

  get state(): CallBridgeState {
    return this.#state
  }

  onChange(listener: (change: CallBridgeChange) => void): void {
    this.#listeners.add(listener)
  }

  view(): EvidenceCallView {
    const pages = [...this.#links.values()].map(({ page: { participant }, link }) => ({
      participant,
      state: link.state,
      ...link.statistics()
    }))
    return { call: this.id, conference: this.conference, state: this.#state, pages }
  }

  statistics(): readonly LinkStatistics[] {
    return [...this.#links.values()].map(({ link }) => link.statistics())
  }

  open(): void {
    this.#ports.record.callOpened(this.id, this.conference)
    this.#setState('CONNECTING', null)
  }

  /** @param from key of the seat that has it already; null for none */
  offer(item: EvidenceItem, from: string | null): void {
    for (const [key, { link }] of this.#links) if (key !== from) link.offer(sourceOf(this.#ports.store, item))
  }

  /** A file is not handed over any longer. */
  withdraw(item: string): void {
    for (const { link } of this.#links.values()) link.withdraw(item)
  }

  context(change: Partial<EvidenceContext>): void {
    this.#context = { ...this.#context, ...change }
    for (const { link } of this.#links.values()) link.context(this.#context)
  }

  /**
   * Gives a page the channel of this call.
   *
   * @param isCurrent whether these are the page's channels still, when one is open
   */
  connect(page: SeatedPage, channels: PageChannels, isCurrent: () => boolean): void {
    const { link } = this.#linkFor(page)
    channels.open(this.id).then(
      (pipe) => {
        if (!isCurrent() || this.#isClosed) {
          pipe.close()
          return
        }
        link.attach({
          send: (message) => pipe.send(typeof message === 'string' ? message : Buffer.from(message.buffer)),
          room: pipe.drained,
          onMessage: (listener) => pipe.onMessage((data, isText) => listener(isText ? data.toString('utf8') : data)),
          close: pipe.close
        })
      },
      (error: unknown) => {
        this.#ports.log.info({ call: this.id, code: errorCode(error) }, 'a page has no channel')
      }
    )
    this.settle()
  }

  /** The connection of a page is gone; the seat is not. */
  lost(key: string): void {
    const seatLink = this.#links.get(key)
    if (seatLink === undefined) return
    seatLink.isLost = true
    seatLink.link.lost()
    this.settle()
  }

  /** Nobody sits on this seat any more. */
  left(key: string): void {
    const seatLink = this.#links.get(key)
    if (seatLink === undefined) return
    this.#links.delete(key)
    this.#retire(seatLink, 'left')
    this.settle()
  }

  /** Ends all links. Idempotent. */
  close(reason: string): void {
    if (this.#isClosed) return
    const pages = [...this.#links.values()].map(({ page, link }) => ({ participant: page.participant, ...link.statistics() }))
    for (const link of this.#links.values()) this.#retire(link, reason)
    this.#isClosed = true
    this.#setState('CLOSED', reason)
    this.#listeners.clear()
    this.#ports.record.callClosed(this.id, reason, pages)
  }

  /** The call's state follows from those of its links. */
  settle(): void {
    const links = [...this.#links.values()]
    const failed = links.find(({ link: { state } }) => state === 'DEGRADED' || state === 'FAILED')?.link.state
    const isOneLost = links.some(({ link, isLost }) => isLost && link.state !== 'ACTIVE')
    if (links.every(({ link }) => link.state === 'ACTIVE')) this.#setState('ACTIVE', null)
    else if (failed !== undefined) this.#setState('DEGRADED', `evidence.page.${failed.toLowerCase()}`)
    else if (isOneLost) this.#setState('DEGRADED', 'evidence.page.lost')
    else if (this.#state !== 'ACTIVE') this.#setState('CONNECTING', null)
  }

  #setState(state: CallBridgeState, reason: string | null): void {
    const previous = this.#state
    if (state === previous || previous === 'CLOSED') return
    this.#state = state
    const change = { state, previous, reason }
    this.#ports.record.callChanged(this.id, change)
    for (const listener of this.#listeners) listener(change)
  }

  #linkFor(page: SeatedPage): SeatLink {
    const { store, record, clock, log } = this.#ports
    const { participant, party } = page
    const known = this.#links.get(page.key)
    if (known !== undefined && known.link.state !== 'CLOSED' && known.page.participant === participant) return known
    if (known !== undefined) this.#retire(known, 'taken over')
    const refusal = (
      { id, bytes, name }: Pick<EvidenceOffer, 'id' | 'bytes' | 'name'>,
      direction: RefusedDirection,
      code: EvidenceRefusalCode,
      reason: string
    ) => record.refused(this.id, { evidence: id, bytes, name, direction, code, reason, who: { participant, party } })
    const link = new EvidenceLink(
      { call: this.id, encoding: 'binary', key: null },
      {
        clock,
        shelf: this.#shelfFor(page),
        // the entry in the ledger is the council's receipt
        sign: async () => null,
        acceptReceipt: async (_, receipt, { key }) => {
          if (key === null || !isSignedReceipt(this.id, participant, receipt, key)) return 'wrong'
          return (await this.#keepReceipt(page, receipt, key)) ? 'kept' : 'later'
        },
        onState: (state, previous, reason) => {
          log.info({ call: this.id, participant, state, previous, reason }, 'evidence session')
          this.settle()
        },
        onProgress: (progress) => {
          const { id, direction, state, code } = progress
          if (direction === 'in' || (state !== 'refused' && state !== 'failed')) return
          record.notTaken(id, participant, code)
          refusal(progress, 'to participant', code ?? 'evidence.timeout', state)
        },
        onContext: () => {},
        onEnd: (reason) => log.info({ call: this.id, participant, reason }, 'the page ended its session'),
        onRefusal: (offer, code, reason) => {
          seatLink.refusals++
          if (seatLink.refusals <= mostRefusals) refusal(offer, 'from participant', code, reason)
          else link.end('too much was refused')
        }
      }
    )
    const seatLink: SeatLink = { page, link, refusals: 0, isLost: false }
    this.#links.set(page.key, seatLink)
    link.context(this.#context)
    for (const item of store.of(this.traces)) link.offer(sourceOf(store, item))
    return seatLink
  }

  /** A link that leaves its call: what it has done is counted once. */
  #retire({ link }: SeatLink, reason: string): void {
    link.end(reason)
    this.#ports.record.linkEnded(link.statistics())
  }

  async #keepReceipt(page: SeatedPage, receipt: Receipt, key: string): Promise<boolean> {
    try {
      await this.#ports.record.received(this.id, page, receipt, key)
      return true
    } catch (error) {
      this.#ports.log.error({ code: errorCode(error) }, 'a receipt could not be recorded: it is not confirmed')
      return false
    }
  }

  #shelfFor(page: SeatedPage): EvidenceShelf {
    const { store, announce } = this.#ports
    return {
      take: async (offer: EvidenceOffer) => {
        if (page.role === 'observer') return refused('evidence.not-now', 'observers do not share')
        const { id, name, mediaType, bytes, sha256 } = offer
        const begun = await store.begin({ trace: this.id, name, mediaType, bytes, sha256 }, id)
        if (!begun.ok) return begun
        const { file } = begun
        const part: EvidencePart = {
          next: file.next,
          write: (_, octets, hash) => file.write(octets, hash),
          finish: async () => {
            const made = await file.finish(page.participant, 'page')
            if (!made.ok) return made
            return (await announce(made.item, page.key)) ?? { ok: true }
          },
          discard: file.discard
        }
        return { ok: true, part }
      }
    }
  }
}

/** The file is open while it is read. */
function sourceOf(store: EvidenceStore, item: EvidenceItem): EvidenceSource {
  const { id, name, mediaType, bytes, sha256, by } = item
  let opened: Promise<OpenEvidence> | null = null
  return {
    id,
    name,
    mediaType,
    bytes,
    sha256,
    by,
    read: async (index, into) => {
      opened ??= store.open(id)
      return (await opened).read(index, into)
    },
    release: () => {
      const file = opened
      opened = null
      file?.then((each) => each.close()).catch(() => undefined)
    }
  }
}
