/**
 * Evidence of the calls: a session for each, with a data channel to every page of the conference; what is shared in one way reaches everybody who is
 * there, and who comes later.
 *
 *     HTTP, escalation ─┐                        ┌─▶ page (data channel) ─▶ signed receipt ─┐
 *     page (upload) ────┴▶ store ─▶ ledger ─▶ call┴─▶ link (HTTPS) ─▶ fetched whole ─────────┴─▶ ledger
 */
import { type CallBridge, errorCode, InfraFabricError } from '#kernel'
import { pour } from './chunk-stream.ts'
import { EvidenceCall, type EvidenceCallView } from './evidence-call.ts'
import type { EvidenceContext } from './link/messages.ts'
import { type EvidenceRefusal, refused } from './names.ts'
import type { EvidencePorts, PageChannels, SeatedPage } from './ports.ts'
import { type Delivery, EvidenceRecord, type ShownPicture } from './record.ts'
import type { Declared, EvidenceItem } from './store.ts'
import { type EvidenceTotals, totalsWith } from './totals.ts'

export type { EvidenceCallView } from './evidence-call.ts'

export interface SharedEvidence extends EvidenceItem {
  readonly deliveries: readonly Delivery[]
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

const mostCalls = 1000

interface OpenCall {
  readonly call: EvidenceCall
  /** Bridges that have it open. */
  holds: number
}

export function createEvidence(ports: EvidencePorts): Evidence {
  const { store, clock, log } = ports
  const record = new EvidenceRecord(ports)
  const calls = new Map<string, OpenCall>()
  const seats = new Map<string, { readonly page: SeatedPage; readonly channels: PageChannels }>()
  const offeredListeners = new Set<(call: string, item: EvidenceItem) => void>()
  let closing = false

  const eachCall = () => [...calls.values()].map(({ call }) => call)

  /** Nobody is offered what is not in the record. */
  const announce = async (item: EvidenceItem, from: string | null): Promise<EvidenceRefusal | null> => {
    try {
      await record.offered(item)
    } catch (error) {
      log.error({ code: errorCode(error) }, 'evidence is not offered: it could not be recorded')
      await store.erase(item.id)
      return refused('evidence.unrecorded', 'it could not be recorded, so nobody gets it')
    }
    for (const call of eachCall()) {
      if (!call.traces.includes(item.trace)) continue
      call.offer(item, from)
      for (const listener of offeredListeners) listener(call.id, item)
    }
    return null
  }

  const connect = (call: EvidenceCall, page: SeatedPage, channels: PageChannels): void =>
    call.connect(page, channels, () => seats.get(page.key)?.channels === channels)

  function close(call: EvidenceCall, reason: string): void {
    calls.delete(call.id)
    call.close(reason)
  }

  /** @returns null when there are too many */
  function openCall(id: string, parent: string | undefined, conference: string): OpenCall | null {
    if (calls.size >= mostCalls) return null
    const traces = parent === undefined ? [id] : [id, parent]
    const call = new EvidenceCall({ id, traces, conference }, { store, record, clock, log, announce })
    const opened = { call, holds: 0 }
    calls.set(id, opened)
    call.open()
    for (const { page, channels } of seats.values()) if (page.conference === conference) connect(call, page, channels)
    call.settle()
    for (const item of store.of(traces)) for (const listener of offeredListeners) listener(id, item)
    return opened
  }

  const bridge: CallBridge = {
    name: 'evidence',
    open: ({ traceId, parentTraceId }, { conference }) => {
      if (closing) return { ok: false, skipped: 'evidence.closed', detail: 'the suite is shutting down' }
      const opened = calls.get(traceId) ?? openCall(traceId, parentTraceId, conference)
      if (opened === null) return { ok: false, skipped: 'evidence.calls', detail: `${mostCalls} calls at a time` }
      opened.holds++
      let isClosed = false
      return {
        ok: true,
        session: {
          state: () => opened.call.state,
          onChange: (listener) => opened.call.onChange(listener),
          close: async (reason) => {
            if (isClosed) return
            isClosed = true
            if (--opened.holds === 0) close(opened.call, reason)
          }
        }
      }
    }
  }

  return {
    bridge,
    share: async ({ by, via, ...declared }, octets) => {
      if (closing) throw new InfraFabricError('evidence.closed', 'the suite is shutting down')
      const refusedHere = (id: string | null, refusal: EvidenceRefusal) => {
        const { trace, bytes } = declared
        const { code, reason } = refusal
        const name = declared.name.slice(0, 1024)
        record.refused(trace, { evidence: id, bytes, name, direction: 'from http', code, reason, who: { by } })
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
        const reached = eachCall().filter(({ traces }) => traces.includes(made.item.trace))
        return { ok: true, item: made.item, calls: reached.map(({ id }) => id) }
      } catch (error) {
        await file.discard()
        return refusedHere(file.id, refused('evidence.disk', `it did not come whole, or cannot be kept (${errorCode(error)})`))
      }
    },
    list: (trace) => {
      const traces = trace === null ? null : (calls.get(trace)?.call.traces ?? [trace])
      const items = traces === null ? store.list() : store.of(traces)
      return items.map((item) => ({ ...item, deliveries: record.deliveriesOf(item.id) }))
    },
    calls: () => eachCall().map((call) => call.view()),
    totals: () =>
      eachCall()
        .flatMap((call) => call.statistics())
        .reduce(totalsWith, record.totals),
    kept: () => ({ items: store.list().length, octets: store.octets() }),
    ofCall: (id) => {
      const opened = calls.get(id)
      return opened === undefined ? null : store.of(opened.call.traces)
    },
    fetched: (call, participant, item) => record.fetched(call, participant, item),
    shown: (call, item, how) => record.shown(call, item, how),
    erase: async (id, reason) => {
      const item = store.get(id)
      if (item === undefined) return false
      for (const call of eachCall()) call.withdraw(id)
      await store.erase(id)
      record.erased(item, reason)
      return true
    },
    onOffered: (listener) => void offeredListeners.add(listener),
    context: (id, change) => calls.get(id)?.call.context(change),
    seat: (page, channels) => {
      const mine = { page, channels }
      seats.set(page.key, mine)
      for (const call of eachCall()) if (call.conference === page.conference) connect(call, page, channels)
      return () => {
        if (seats.get(page.key) !== mine) return
        seats.delete(page.key)
        for (const call of eachCall()) call.lost(page.key)
      }
    },
    left: (key) => {
      seats.delete(key)
      for (const call of eachCall()) call.left(key)
    },
    close: async () => {
      closing = true
      for (const call of eachCall()) close(call, 'shutdown')
      seats.clear()
    }
  }
}
