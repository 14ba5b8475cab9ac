/**
 * Evidence of the calls: a session for each, with a data channel to every page of the conference; what is shared in one way reaches everybody who is
 * there, and who comes later.
 *
 *     HTTP, escalation ─┐                        ┌─▶ page (data channel) ─▶ signed receipt ─┐
 *     page (upload) ────┴▶ store ─▶ ledger ─▶ call┴─▶ link (HTTPS) ─▶ fetched whole ─────────┴─▶ ledger
 */
import {
  type CallBridge,
  type CallBridgeChange,
  type CallBridgeState,
  errorCode,
  InfraFabricError,
  type JsonObject
} from '#kernel'
import { EvidenceLink } from './link.ts'
import type { EvidencePart, EvidenceShelf, EvidenceSource, LinkStatistics } from './link-ports.ts'
import { chunkOctets, type EvidenceContext, type EvidenceOffer, type Receipt } from './messages.ts'
import { type EvidenceRefusal, type EvidenceRefusalCode, refused } from './names.ts'
import type { EvidencePorts, PagePipe, SeatedPage } from './ports.ts'
import { isSignedReceipt } from './receipts.ts'
import type { SessionState } from './session-machine.ts'
import type { Declared, EvidenceItem, OpenEvidence } from './store.ts'
import { type EvidenceTotals, emptyTotals, type RefusedDirection, totalsWith } from './totals.ts'

const evidenceComponent = 'IF.bridge.evidence'

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

export interface SharedEvidence extends EvidenceItem {
  readonly deliveries: readonly Delivery[]
}

/** A call that is open, as `ifctl evidence calls` shows it. */
export interface EvidenceCallView {
  readonly call: string
  readonly conference: string
  readonly state: CallBridgeState
  readonly pages: readonly ({ readonly participant: string; readonly state: SessionState } & LinkStatistics)[]
}

export interface ShareRequest extends Declared {
  /** Who shares it. */
  readonly by: string
  readonly via: 'http' | 'escalation'
}

export interface Evidence {
  readonly bridge: CallBridge
  /** Takes a file and offers it. @param octets of which no more is kept in memory than a chunk */
  readonly share: (
    request: ShareRequest,
    octets: AsyncIterable<Uint8Array>
  ) => Promise<{ readonly ok: true; readonly item: EvidenceItem; readonly calls: readonly string[] } | EvidenceRefusal>
  /** @param trace of a call, or above one; null for all */
  readonly list: (trace: string | null) => readonly SharedEvidence[]
  readonly calls: () => readonly EvidenceCallView[]
  /** What there was since the start, pages that are gone among it. */
  readonly totals: () => EvidenceTotals
  /** Files that are kept, and their octets with those that are set aside for files on their way. */
  readonly kept: () => { readonly items: number; readonly octets: number }
  /** Evidence of an open call; null when there is none of this trace. */
  readonly ofCall: (call: string) => readonly EvidenceItem[] | null
  /** A participant without a page has fetched a file to its end. */
  readonly fetched: (call: string, participant: string, item: EvidenceItem) => void
  /** A picture has been sent to a participant's screen as video. */
  readonly shown: (call: string, item: EvidenceItem, how: ShownPicture) => void
  /** Takes a file out of all calls and off the disk. @returns false for one that is not there */
  readonly erase: (id: string, reason: string) => Promise<boolean>
  /** Told when a call has got a file. */
  readonly onOffered: (listener: (call: string, item: EvidenceItem) => void) => void
  /** What the call is about now, for the pages. */
  readonly context: (call: string, change: Partial<EvidenceContext>) => void
  /** Gives a page its channels: those of calls that are open, and of such as come. @returns tells that the page's connection is lost */
  readonly seat: (page: SeatedPage, channels: PageChannels) => () => void
  /** Nobody sits on a seat any more: nothing is owed to it. */
  readonly left: (key: string) => void
  /** Ends all sessions. Idempotent. */
  readonly close: () => Promise<void>
}

/** How a page gets a channel: opened on both sides when it resolves. */
export interface PageChannels {
  readonly open: (call: string) => Promise<PagePipe>
}

interface SeatLink {
  readonly page: SeatedPage
  readonly link: EvidenceLink
  refusals: number
  /** Its page was there, and went without leaving the seat. */
  isLost: boolean
}

interface Call {
  readonly id: string
  readonly traces: readonly string[]
  readonly conference: string
  readonly links: Map<string, SeatLink>
  readonly listeners: Set<(change: CallBridgeChange) => void>
  context: EvidenceContext
  state: CallBridgeState
  holds: number
  closing: Promise<void> | null
}

const mostCalls = 1000
/** A page whose offers are refused so often is cut off. */
const mostRefusals = 100
/** Of those who got a file, kept for lists; all are in the ledger. */
const mostDeliveries = 1000

export function createEvidence(ports: EvidencePorts): Evidence {
  const { store, witness, clock, log } = ports
  const calls = new Map<string, Call>()
  const seats = new Map<string, { readonly page: SeatedPage; readonly channels: PageChannels }>()
  const deliveries = new Map<string, Delivery[]>()
  const offeredListeners = new Set<(call: string, item: EvidenceItem) => void>()
  /** Of links that have left their calls, and of what is counted here. */
  let totals = emptyTotals()
  let closing: Promise<void> | null = null

  const record = async (event: string, traceId: string, payload: JsonObject, erasable?: JsonObject): Promise<void> => {
    await witness.record({
      component: evidenceComponent,
      event,
      traceId,
      payload,
      ...(erasable === undefined ? {} : { erasable })
    })
  }
  const tell = (event: string, traceId: string, payload: JsonObject, erasable?: JsonObject): void => {
    record(event, traceId, payload, erasable).catch((error: unknown) =>
      log.error({ event, code: errorCode(error) }, 'entry not recorded')
    )
  }

  const delivered = (item: string, delivery: Delivery) => {
    const all = deliveries.get(item) ?? []
    if (all.length < mostDeliveries) all.push(delivery)
    deliveries.set(item, all)
  }

  const factsOf = ({ id, bytes, by, via }: EvidenceItem): JsonObject => ({ evidence: id, bytes, by, via })
  /** What may have to be forgotten: by the hash alone a file can be known again. */
  const erasableOf = ({ name, mediaType, sha256 }: EvidenceItem): JsonObject => ({ name, mediaType, sha256 })

  /** Nobody is offered what is not in the record. */
  const announce = async (item: EvidenceItem, from: string | null): Promise<EvidenceRefusal | null> => {
    try {
      await record('evidence_offered', item.trace, factsOf(item), erasableOf(item))
    } catch (error) {
      log.error({ code: errorCode(error) }, 'evidence is not offered: it could not be recorded')
      await store.erase(item.id)
      return refused('evidence.unrecorded', 'it could not be recorded, so nobody gets it')
    }
    totals.shared[item.via]++
    for (const call of calls.values()) {
      if (!call.traces.includes(item.trace)) continue
      for (const [key, { link }] of call.links) if (key !== from) link.offer(sourceOf(item))
      for (const listener of offeredListeners) listener(call.id, item)
    }
    return null
  }

  /** The file is open while it is read. */
  function sourceOf(item: EvidenceItem): EvidenceSource {
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

  function setState(call: Call, state: CallBridgeState, reason: string | null): void {
    const previous = call.state
    if (state === previous || previous === 'CLOSED') return
    call.state = state
    tell('evidence_session_state', call.id, { state, previous, reason })
    for (const listener of call.listeners) listener({ state, previous, reason })
  }

  /** All pages are served, or there are none: active. One that is not degrades the call. */
  function settle(call: Call): void {
    const states = [...call.links.values()].map(({ link }) => link.state)
    const whole = states.every((state) => state === 'ACTIVE')
    const failed = states.find((state) => state === 'DEGRADED' || state === 'FAILED')
    const isOneLost = [...call.links.values()].some(({ link, isLost }) => isLost && link.state !== 'ACTIVE')
    if (whole) setState(call, 'ACTIVE', null)
    else if (failed !== undefined) setState(call, 'DEGRADED', `evidence.page.${failed.toLowerCase()}`)
    else if (isOneLost) setState(call, 'DEGRADED', 'evidence.page.lost')
    else if (call.state !== 'ACTIVE') setState(call, 'CONNECTING', null)
  }

  function linkFor(call: Call, page: SeatedPage): SeatLink {
    const known = call.links.get(page.key)
    if (known !== undefined && known.link.state !== 'CLOSED' && known.page.participant === page.participant) return known
    if (known !== undefined) retire(known, 'taken over')
    const about = { participant: page.participant, party: page.party }
    const refusal = (
      { id, bytes, name }: Pick<EvidenceOffer, 'id' | 'bytes' | 'name'>,
      direction: RefusedDirection,
      code: EvidenceRefusalCode,
      reason: string
    ) => {
      totals.refused[direction][code]++
      tell('evidence_refused', call.id, { evidence: id, bytes, direction, code, reason, ...about }, { name })
    }
    const link = new EvidenceLink(
      { call: call.id, encoding: 'binary', key: null },
      {
        clock,
        shelf: shelfFor(call, page),
        // the entry in the ledger is the council's receipt
        sign: async () => null,
        acceptReceipt: async (source, receipt, { key }) => {
          if (key === null || !isSignedReceipt(call.id, page.participant, receipt, key)) return 'wrong'
          return (await recordReceipt(call, page, source.id, receipt, key)) ? 'kept' : 'later'
        },
        onState: (state, previous, reason) => {
          log.info({ call: call.id, participant: page.participant, state, previous, reason }, 'evidence session')
          settle(call)
        },
        onProgress: (progress) => {
          const { id, direction, state, code } = progress
          if (direction === 'in' || (state !== 'handedOver' && state !== 'refused' && state !== 'failed')) return
          if (state === 'handedOver') return
          const at = new Date(clock.now()).toISOString()
          delivered(id, { participant: page.participant, how: 'page', state: 'refused', code, at })
          refusal(progress, 'to participant', code ?? 'evidence.timeout', state)
        },
        onContext: () => {},
        onEnd: (reason) => log.info({ call: call.id, participant: page.participant, reason }, 'the page ended its session'),
        onRefusal: (offer, code, reason) => {
          seatLink.refusals++
          if (seatLink.refusals <= mostRefusals) refusal(offer, 'from participant', code, reason)
          else link.end('too much was refused')
        }
      }
    )
    const seatLink: SeatLink = { page, link, refusals: 0, isLost: false }
    call.links.set(page.key, seatLink)
    link.context(call.context)
    for (const item of store.of(call.traces)) link.offer(sourceOf(item))
    return seatLink
  }

  /** A link that leaves its call: what it has done is counted once. */
  function retire({ link }: SeatLink, reason: string): void {
    link.end(reason)
    totals = totalsWith(totals, link.statistics())
  }

  async function recordReceipt(call: Call, page: SeatedPage, id: string, receipt: Receipt, key: string): Promise<boolean> {
    const { sha256, bytes, at, signature } = receipt
    try {
      await record(
        'evidence_received',
        call.id,
        { evidence: id, bytes, participant: page.participant, party: page.party, how: 'page', receiptAt: at, receiptKey: key },
        { sha256, signature }
      )
    } catch (error) {
      log.error({ code: errorCode(error) }, 'a receipt could not be recorded: it is not confirmed')
      return false
    }
    totals.receipts.page++
    delivered(id, { participant: page.participant, how: 'page', state: 'received', code: null, at })
    return true
  }

  function shelfFor(call: Call, page: SeatedPage): EvidenceShelf {
    return {
      take: async (offer: EvidenceOffer) => {
        if (page.role === 'observer') return refused('evidence.not-now', 'observers do not share')
        const { id, name, mediaType, bytes, sha256 } = offer
        const begun = await store.begin({ trace: call.id, name, mediaType, bytes, sha256 }, id)
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

  /** Gives a page the channel of a call. */
  function connect(call: Call, page: SeatedPage, channels: PageChannels): void {
    const { link } = linkFor(call, page)
    channels.open(call.id).then(
      (pipe) => {
        if (seats.get(page.key)?.channels !== channels || call.closing !== null) {
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
        log.info({ call: call.id, code: errorCode(error) }, 'a page has no channel')
      }
    )
    settle(call)
  }

  async function closeCall(call: Call, reason: string): Promise<void> {
    call.closing ??= (async () => {
      const statistics = [...call.links.values()].map(({ page, link }) => ({
        participant: page.participant,
        ...link.statistics()
      }))
      for (const link of call.links.values()) retire(link, reason)
      calls.delete(call.id)
      setState(call, 'CLOSED', reason)
      call.listeners.clear()
      tell('evidence_session_closed', call.id, { reason, pages: statistics as unknown as JsonObject[] })
    })()
    return call.closing
  }

  const bridge: CallBridge = {
    name: 'evidence',
    open: ({ traceId, parentTraceId }, { conference }) => {
      if (closing !== null) return { ok: false, skipped: 'evidence.closed', detail: 'the suite is shutting down' }
      let call = calls.get(traceId)
      if (call === undefined) {
        if (calls.size >= mostCalls) return { ok: false, skipped: 'evidence.calls', detail: `${mostCalls} calls at a time` }
        call = {
          id: traceId,
          traces: parentTraceId === undefined ? [traceId] : [traceId, parentTraceId],
          conference,
          links: new Map(),
          listeners: new Set(),
          context: { conference, hazard: null, votes: [], policy: [] },
          state: 'IDLE',
          holds: 0,
          closing: null
        }
        calls.set(traceId, call)
        tell('evidence_session_opened', traceId, { conference })
        setState(call, 'CONNECTING', null)
        for (const { page, channels } of seats.values()) if (page.conference === conference) connect(call, page, channels)
        settle(call)
        for (const item of store.of(call.traces)) for (const listener of offeredListeners) listener(call.id, item)
      }
      const opened = call
      opened.holds++
      let closed: Promise<void> | null = null
      return {
        ok: true,
        session: {
          state: () => opened.state,
          onChange: (listener) => void opened.listeners.add(listener),
          close: (reason) => {
            closed ??= --opened.holds > 0 ? Promise.resolve() : closeCall(opened, reason)
            return closed
          }
        }
      }
    }
  }

  return {
    bridge,
    share: async ({ by, via, ...declared }, octets) => {
      if (closing !== null) throw new InfraFabricError('evidence.closed', 'the suite is shutting down')
      const refusedHere = (id: string | null, refusal: EvidenceRefusal) => {
        const facts = {
          evidence: id,
          bytes: declared.bytes,
          direction: 'from http' satisfies RefusedDirection,
          code: refusal.code,
          reason: refusal.reason,
          by
        }
        totals.refused['from http'][refusal.code]++
        tell('evidence_refused', declared.trace, facts, { name: declared.name.slice(0, 1024) })
        return refusal
      }
      const begun = await store.begin(declared)
      if (!begun.ok) return refusedHere(null, begun)
      const { file } = begun
      try {
        const wrong = await pour(octets, file.write, declared.bytes)
        const made = wrong ?? (await file.finish(by, via))
        if (!made.ok) {
          await file.discard()
          return refusedHere(file.id, made)
        }
        const unrecorded = await announce(made.item, null)
        if (unrecorded !== null) return unrecorded
        const reached = [...calls.values()].filter(({ traces }) => traces.includes(made.item.trace))
        return { ok: true, item: made.item, calls: reached.map(({ id }) => id) }
      } catch (error) {
        await file.discard()
        return refusedHere(file.id, refused('evidence.disk', `it did not come whole, or cannot be kept (${errorCode(error)})`))
      }
    },
    list: (trace) => {
      const traces = trace === null ? null : (calls.get(trace)?.traces ?? [trace])
      const items = traces === null ? store.list() : store.of(traces)
      return items.map((item) => ({ ...item, deliveries: [...(deliveries.get(item.id) ?? [])] }))
    },
    calls: () =>
      [...calls.values()].map(({ id, conference, state, links }) => ({
        call: id,
        conference,
        state,
        pages: [...links.values()].map(({ page, link }) => ({
          participant: page.participant,
          state: link.state,
          ...link.statistics()
        }))
      })),
    totals: () =>
      [...calls.values()]
        .flatMap(({ links }) => [...links.values()])
        .reduce((sum, { link }) => totalsWith(sum, link.statistics()), totals),
    kept: () => ({ items: store.list().length, octets: store.octets() }),
    ofCall: (id) => {
      const call = calls.get(id)
      return call === undefined ? null : store.of(call.traces)
    },
    fetched: (call, participant, { id, bytes }) => {
      const at = new Date(clock.now()).toISOString()
      totals.receipts.link++
      tell('evidence_received', call, { evidence: id, bytes, participant, how: 'link', receiptAt: at })
      delivered(id, { participant, how: 'link', state: 'received', code: null, at })
    },
    shown: (call, { id, bytes }, { participant, by, width, height, kbps, isConfirmed, fromSeconds }) => {
      const at = new Date(clock.now()).toISOString()
      if (isConfirmed) totals.receipts.video++
      const facts = {
        evidence: id,
        bytes,
        participant,
        by,
        width,
        height,
        kbps,
        confirmed: isConfirmed
      }
      tell('evidence_shown', call, fromSeconds === undefined ? facts : { ...facts, fromSeconds })
      delivered(id, { participant, how: 'video', state: isConfirmed ? 'received' : 'shown', code: null, at })
    },
    erase: async (id, reason) => {
      const item = store.get(id)
      if (item === undefined) return false
      for (const { links } of calls.values()) for (const { link } of links.values()) link.withdraw(id)
      await store.erase(id)
      deliveries.delete(id)
      tell('evidence_erased', item.trace, { evidence: id, bytes: item.bytes, reason })
      return true
    },
    onOffered: (listener) => void offeredListeners.add(listener),
    context: (id, change) => {
      const call = calls.get(id)
      if (call === undefined) return
      call.context = { ...call.context, ...change }
      for (const { link } of call.links.values()) link.context(call.context)
    },
    seat: (page, channels) => {
      const mine = { page, channels }
      seats.set(page.key, mine)
      for (const call of calls.values()) if (call.conference === page.conference) connect(call, page, channels)
      return () => {
        if (seats.get(page.key) !== mine) return
        seats.delete(page.key)
        for (const call of calls.values()) {
          const seatLink = call.links.get(page.key)
          if (seatLink === undefined) continue
          seatLink.isLost = true
          seatLink.link.lost()
          settle(call)
        }
      }
    },
    left: (key) => {
      seats.delete(key)
      for (const call of calls.values()) {
        const seatLink = call.links.get(key)
        if (seatLink === undefined) continue
        call.links.delete(key)
        retire(seatLink, 'left')
        settle(call)
      }
    },
    close: () => {
      closing ??= (async () => {
        for (const call of [...calls.values()]) await closeCall(call, 'shutdown')
        seats.clear()
      })()
      return closing
    }
  }
}

/** Cuts a stream into chunks. @returns why it was not taken whole; null when it was */
async function pour(
  octets: AsyncIterable<Uint8Array>,
  write: (chunk: Uint8Array, sha256: null) => Promise<boolean>,
  bytes: number
): Promise<EvidenceRefusal | null> {
  const chunk = new Uint8Array(chunkOctets)
  let [filled, came] = [0, 0]
  for await (const part of octets) {
    came += part.length
    if (came > bytes) return refused('evidence.size', `more comes than the ${bytes} octets that were declared`)
    for (let at = 0; at < part.length; ) {
      const taken = Math.min(chunkOctets - filled, part.length - at)
      chunk.set(part.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (filled < chunkOctets) continue
      await write(chunk, null)
      filled = 0
    }
  }
  if (came < bytes) return refused('evidence.size', `${bytes} octets were declared, ${came} came`)
  if (filled > 0) await write(chunk.subarray(0, filled), null)
  return null
}
