/** The sources that are in conferences now: begun by hand or with a call, listed, ended. */
import {
  type BridgeTimes,
  type CallBridge,
  type CallBridgeSession,
  type CallBridgeState,
  type CallContext,
  InfraFabricError,
  startBridgeSession
} from '#kernel'
import { createIngest, type IngestFigures, type IngestPorts, type IngestRequest } from './ingest.ts'
import { sourcePattern } from './sources.ts'

export interface IngestView extends IngestFigures {
  readonly id: string
  readonly conference: string
  readonly traceId: string
  readonly state: CallBridgeState
  /** Stable code; null where nothing is wrong. */
  readonly reason: string | null
}

export interface StartedIngest {
  readonly id: string
  readonly session: CallBridgeSession
}

export interface Ingests {
  /** @throws {InfraFabricError} `ndi.ingest.full`, `ndi.ingest.codec` */
  readonly start: (context: CallContext, request: IngestRequest) => StartedIngest
  readonly list: () => readonly IngestView[]
  /** Pictures of all there were, by what became of them. */
  readonly totals: () => Readonly<Record<'encoded' | 'skipped' | 'dropped', number>>
  /** @returns whether there was one */
  readonly stop: (id: string, reason: string) => Promise<boolean>
  /** Ends all. Idempotent. */
  readonly close: () => Promise<void>
}

/** Each costs an encoder. */
const mostIngests = 4

export function createIngests(ports: IngestPorts, times: Partial<BridgeTimes> = {}): Ingests {
  const running = new Map<string, { readonly view: () => IngestView; readonly session: CallBridgeSession }>()
  const ended = { encoded: 0, skipped: 0, dropped: 0 }
  const add = <T extends typeof ended>(totals: T, { encoded, skipped, dropped }: IngestFigures): T => {
    totals.encoded += encoded
    totals.skipped += skipped
    totals.dropped += dropped
    return totals
  }
  let next = 1
  const stop = async (id: string, reason: string): Promise<boolean> => {
    const found = running.get(id)
    if (found === undefined) return false
    running.delete(id)
    await found.session.close(reason)
    return true
  }
  return {
    start: (context, request) => {
      if (request.format.codec === 'h265' && request.to === null)
        throw new InfraFabricError('ndi.ingest.codec', 'participants take H.264; H.265 goes to an address')
      // one that has failed is shown until the next begins
      for (const [id, { session }] of running) if (session.state() === 'FAILED') void stop(id, 'failed')
      if (running.size >= mostIngests) throw new InfraFabricError('ndi.ingest.full', `${mostIngests} sources are in conferences`)
      const id = String(next++)
      const ingest = createIngest(ports, context, request)
      const session = startBridgeSession(ingest.open, {
        clock: ports.clock,
        log: ports.log,
        ...times
      })
      let reason: string | null = null
      session.onChange((change) => {
        reason = change.reason
        if (change.state !== 'CLOSED') return
        running.delete(id)
        add(ended, ingest.figures())
      })
      const { conference } = request
      const { traceId } = context
      running.set(id, {
        session,
        view: () => ({ id, conference, traceId, state: session.state(), reason, ...ingest.figures() })
      })
      return { id, session }
    },
    list: () => [...running.values()].map(({ view }) => view()),
    totals: () => [...running.values()].reduce((totals, { view }) => add(totals, view()), { ...ended }),
    stop,
    close: async () => {
      await Promise.all([...running.keys()].map((id) => stop(id, 'suite-stopped')))
    }
  }
}

export interface IngestBridgeConfig extends Omit<IngestRequest, 'conference' | 'expertId' | 'fits' | 'to'> {
  /** Which source belongs to a call; `{expert}` stands for the registry id. Null for none: sources come by hand. */
  readonly pattern: string | null
}

/** The bridge of a call to the expert's source. @param ingests null where there is no runtime */
export function ingestBridge(ingests: () => Ingests | null, { pattern, ...request }: IngestBridgeConfig): CallBridge {
  return {
    name: 'ndi',
    open: (context, { conference, expertId }) => {
      if (pattern === null)
        return { ok: false, skipped: 'ndi.source.none', detail: 'no source is configured (ndi.ingest.source)' }
      const there = ingests()
      if (there === null) return { ok: false, skipped: 'ndi.runtime.absent', detail: 'there is no NDI runtime' }
      const fits = sourcePattern(pattern.replaceAll('{expert}', expertId))
      try {
        return { ok: true, session: there.start(context, { ...request, conference, expertId, fits, to: null }).session }
      } catch (error) {
        if (!(error instanceof InfraFabricError)) throw error
        return { ok: false, skipped: error.code, detail: error.message }
      }
    }
  }
}
