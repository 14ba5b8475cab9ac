/** What the council's pages are told of calls: gathered from what the suite tells while it runs. */
import type { EscalationView, Escalator } from '#escalate'
import { engineVersion, type RunningGuard } from '#guard'
import type { Clock } from '#kernel'
import type { CallInContext, CouncilCalls, EscalationInContext } from '#webrtc'
import type { SuiteEvent } from '../events.ts'

export interface CallsFollowed extends CouncilCalls {
  readonly take: (event: SuiteEvent) => void
  /** From now on escalations are told, too. */
  readonly follow: (escalator: Escalator) => void
}

/** How long a call or an escalation that is over is still shown. */
const shownAfterMs = 300_000
const mostShown = 50

type Call = { -readonly [K in keyof CallInContext]: CallInContext[K] } & { conference: string | null; endedAt: number | null }

const pieceOf = ({ conference: _, endedAt: __, ...shown }: Call): CallInContext => ({ ...shown })

const escalationOf = (view: EscalationView): EscalationInContext => ({
  id: view.id,
  traceId: view.trace_id,
  hazard: view.hazard,
  sender: view.sender,
  state: view.state,
  result: view.result?.status ?? null,
  experts: view.legs.flatMap(({ kind, branches }) => branches.map(({ expert, state }) => ({ expert, kind, state }))),
  evidence: view.evidence_files.map(({ name, sha256 }) => ({ name, sha256 })),
  impaired: view.bridges
    .filter(({ state }) => state === 'DEGRADED' || state === 'FAILED')
    .map(({ bridge, target, state }) => ({ bridge, target, state }))
})

export function followCalls(guard: Pick<RunningGuard, 'rules'>, clock: Clock): CallsFollowed {
  const calls = new Map<string, Call>()
  const listeners: ((conference: string) => void)[] = []
  let escalator: Escalator | null = null
  const tell = (conference: string | null) => {
    if (conference !== null) for (const listener of listeners) listener(conference)
  }
  const recent = (endedAt: number | null) => endedAt === null || clock.now() - endedAt < shownAfterMs
  const begin = (
    { traceId, at }: { readonly traceId: string; readonly at: number },
    call: Pick<Call, 'direction' | 'expert' | 'hazard' | 'conference'>
  ) => {
    for (const [trace, { endedAt }] of calls) if (!recent(endedAt)) calls.delete(trace)
    calls.set(traceId, { traceId, ...call, state: 'asking', decision: null, since: at, endedAt: null })
    tell(call.conference)
  }
  const change = (traceId: string, changed: Partial<Call>) => {
    const call = calls.get(traceId)
    // what is refused has an end, too, and stays refused
    if (call === undefined || call.endedAt !== null) return
    tell(Object.assign(call, changed).conference)
  }
  return {
    take: (event) => {
      switch (event.type) {
        case 'received':
          return begin(event, { direction: 'inbound', expert: null, hazard: event.hazard, conference: event.conference })
        case 'calling':
          return begin(event, {
            direction: 'outbound',
            expert: event.expertId,
            hazard: event.hazard,
            conference: event.conference
          })
        case 'decided': {
          const { verdict, code, findings, expertId } = event
          return change(event.traceId, {
            decision: { verdict, code, findings },
            ...(expertId === null ? {} : { expert: expertId })
          })
        }
        case 'ringing':
          return change(event.traceId, { state: 'ringing' })
        case 'established':
          return change(event.traceId, { state: 'connected', conference: event.conference })
        case 'rejected':
          return change(event.traceId, { state: 'refused', endedAt: event.at })
        case 'ended':
          return change(event.traceId, { state: 'ended', endedAt: event.at })
        case 'rules':
          for (const conference of new Set([...calls.values()].map((call) => call.conference))) tell(conference)
      }
    },
    follow: (running) => {
      escalator = running
      running.events.subscribe(({ escalation }) => tell(running.get(escalation)?.conference ?? null))
    },
    of: (conference) => ({
      policy: { engine: engineVersion, hash: guard.rules().hash },
      calls: [...calls.values()]
        .filter((call) => call.conference === conference && recent(call.endedAt))
        .slice(-mostShown)
        .map(pieceOf),
      escalations: (escalator?.list() ?? [])
        .filter((view) => view.conference === conference)
        .slice(0, mostShown)
        .map(escalationOf)
    }),
    onChange: (listener) => void listeners.push(listener)
  }
}
