/** A trace as a ladder: who told whom what, and when. */
import type { LedgerEntry } from '../../log/entry.ts'

export type Lane =
  | 'expert'
  | 'edge'
  | 'application'
  | 'guard'
  | 'conference'
  | 'h323'
  | 'webrtc'
  | 'ndi'
  | 'swarm'
  | 'ledger'
  | 'other'

/** From left to right. */
export const laneTitles: Readonly<Record<Lane, string>> = {
  expert: 'Expert',
  edge: 'Edge',
  application: 'Application',
  guard: 'IF.guard',
  conference: 'Conference',
  h323: 'H.323',
  webrtc: 'WebRTC',
  ndi: 'NDI',
  swarm: 'Swarm',
  ledger: 'Ledger',
  other: 'Other'
}
const order = Object.keys(laneTitles) as Lane[]
const always: readonly Lane[] = ['expert', 'edge', 'application', 'conference']

export type Tone = 'plain' | 'good' | 'bad'

/** One entry in the ladder: an arrow, or a note on a lane where `to` is null. */
export interface Step {
  readonly index: number
  readonly trace: string
  readonly time: string
  /** Milliseconds since the first entry of the ladder. */
  readonly sinceMs: number
  readonly from: Lane
  readonly to: Lane | null
  readonly label: string
  readonly detail: string
  readonly tone: Tone
}

export interface Ladder {
  readonly lanes: readonly Lane[]
  readonly steps: readonly Step[]
  /** Traces in the order in which they appear; the first is the one that was asked for where it has entries. */
  readonly traces: readonly string[]
}

type Drawn = Pick<Step, 'from' | 'to' | 'label'> & Partial<Pick<Step, 'detail' | 'tone'>>
type Payload = LedgerEntry['payload']

const text = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)
const list = (...parts: readonly unknown[]): string =>
  parts
    .map(text)
    .filter((part) => part !== '')
    .join(', ')

const refused = ({ layer, status, code, reason, count }: Payload, name: string): Drawn => ({
  // an entry with a count is what the edge refused by itself
  from: count === undefined ? 'application' : 'edge',
  to: 'expert',
  label: list(name, status === 0 ? '' : status).replace(', ', ' '),
  detail: list(layer, code, reason),
  tone: 'bad'
})

const known: Readonly<Record<string, (payload: Payload) => Drawn>> = {
  sip_invite_received: ({ lateOffer }) => ({
    from: 'expert',
    to: 'application',
    label: 'INVITE',
    detail: lateOffer === true ? 'without an offer' : ''
  }),
  sip_invite_sent: () => ({ from: 'application', to: 'expert', label: 'INVITE' }),
  INVITE: ({ hazard, conference }) => ({
    from: 'edge',
    to: 'application',
    label: 'passed the edge',
    detail: list(hazard, conference)
  }),
  sip_hash_verified: ({ expertId }) => ({
    from: 'application',
    to: null,
    label: 'signature good',
    detail: text(expertId),
    tone: 'good'
  }),
  policy_decision: ({ verdict, code, reason }) => ({
    from: 'guard',
    to: 'application',
    label: `policy: ${text(verdict)}`,
    detail: list(code, reason),
    tone: verdict === 'approve' ? 'good' : 'bad'
  }),
  sip_100_trying: () => ({ from: 'application', to: 'expert', label: '100 Trying' }),
  sip_180_ringing: () => ({ from: 'application', to: 'expert', label: '180 Ringing' }),
  sip_200_ok: ({ setupMs }) => ({
    from: 'application',
    to: 'expert',
    label: '200 OK',
    detail: setupMs === undefined ? '' : `set up in ${text(setupMs)} ms`
  }),
  sip_ack_sent: () => ({ from: 'application', to: 'expert', label: 'ACK' }),
  sip_dialog_established: ({ codec }) => ({
    from: 'expert',
    to: 'application',
    label: 'ACK, dialog established',
    detail: text(codec),
    tone: 'good'
  }),
  sip_session_modified: ({ method, status }) => ({ from: 'expert', to: 'application', label: list(method, status) }),
  sip_dtmf_received: ({ digit }) => ({ from: 'expert', to: 'application', label: `key ${text(digit)}` }),
  sip_cancel_received: () => ({ from: 'expert', to: 'application', label: 'CANCEL' }),
  sip_bye_received: ({ reason }) => ({ from: 'expert', to: 'application', label: 'BYE', detail: text(reason) }),
  sip_bye_sent: ({ reason }) => ({ from: 'application', to: 'expert', label: 'BYE', detail: text(reason) }),
  CONNECTED: ({ expertId, conference }) => ({
    from: 'application',
    to: null,
    label: 'connected',
    detail: list(expertId, conference),
    tone: 'good'
  }),
  REJECTED: (payload) => refused(payload, 'refused'),
  SECURITY_REJECTED: (payload) => refused(payload, 'refused for security'),
  TERMINATED: ({ hungUpBy, reason, durationMs }) => ({
    from: 'application',
    to: null,
    label: 'ended',
    detail: list(
      hungUpBy === undefined ? '' : `by ${text(hungUpBy)}`,
      reason,
      typeof durationMs === 'number' ? `${durationMs / 1000} s` : ''
    )
  }),
  BRIDGE_ESTABLISHED: ({ participant }) => ({
    from: 'application',
    to: 'conference',
    label: 'joined',
    detail: text(participant),
    tone: 'good'
  }),
  BRIDGE_STATE_CHANGED: ({ previous, state }) => ({ from: 'conference', to: null, label: `${text(previous)} → ${text(state)}` }),
  RTP_STRANGER_REJECTED: ({ packets }) => ({
    from: 'conference',
    to: null,
    label: `${text(packets)} packets of strangers dropped`,
    tone: 'bad'
  }),
  h323_arq_sent: () => ({ from: 'application', to: 'h323', label: 'ARQ' }),
  h323_acf_received: () => ({ from: 'h323', to: 'application', label: 'ACF', tone: 'good' }),
  h323_arj_received: ({ reason }) => ({ from: 'h323', to: 'application', label: 'ARJ', detail: text(reason), tone: 'bad' }),
  h323_bandwidth_requested: () => ({ from: 'application', to: 'h323', label: 'BRQ' }),
  h323_bandwidth_granted: () => ({ from: 'h323', to: 'application', label: 'BCF', tone: 'good' }),
  sdp_offer_created: () => ({ from: 'application', to: 'webrtc', label: 'SDP offer' }),
  sdp_answer_received: () => ({ from: 'webrtc', to: 'application', label: 'SDP answer' }),
  ndi_stream_created: () => ({ from: 'ndi', to: 'application', label: 'stream created' }),
  ndi_stream_closed: () => ({ from: 'ndi', to: 'application', label: 'stream closed' })
}

/** First that fits. */
const lanesOfComponents: readonly (readonly [RegExp, Lane])[] = [
  [/h323|h\.323|gatekeeper|mcu/i, 'h323'],
  [/webrtc/i, 'webrtc'],
  [/ndi/i, 'ndi'],
  [/^IF\.guard/, 'guard'],
  [/conference|bridge|mixer|recorder/i, 'conference'],
  [/^IF\.(?:coordinator|governor|chassis|swarm)/, 'swarm'],
  [/^IF\.witness\.ledger/, 'ledger'],
  [/^IF\.witness\.sip/, 'expert'],
  [/edge|kamailio/i, 'edge'],
  [/^IF\.(?:proxy|suite|escalate)/, 'application']
]

const laneOf = (component: string): Lane => lanesOfComponents.find(([pattern]) => pattern.test(component))?.[1] ?? 'other'

/** Events that are not in the table: what is sent goes out from the application, what is received comes in. */
function unknown({ component, event, payload }: LedgerEntry): Drawn {
  const lane = laneOf(component)
  const label = event.replace(/^(?:sip|h323|webrtc|ndi)_/, '').replaceAll('_', ' ')
  const detail = list(payload.reason, payload.state, payload.code)
  const tone: Tone = /error|fail|reject/i.test(event) ? 'bad' : 'plain'
  if (lane !== 'application' && /_sent$/.test(event))
    return { from: 'application', to: lane, label: label.replace(/ sent$/, ''), detail, tone }
  if (lane !== 'application' && /_received$/.test(event))
    return { from: lane, to: 'application', label: label.replace(/ received$/, ''), detail, tone }
  return { from: lane, to: null, label, detail, tone }
}

/** @param entries of a trace and of those under it, in the order of the log */
export function ladderOf(entries: readonly LedgerEntry[]): Ladder {
  const startMs = entries.length === 0 ? 0 : Date.parse(entries[0]!.time)
  const used = new Set<Lane>()
  const traces = new Set<string>()
  const steps = entries.map((entry): Step => {
    const draw = Object.hasOwn(known, entry.event) ? known[entry.event] : undefined
    const { from, to, label, detail = '', tone = 'plain' } = draw?.(entry.payload) ?? unknown(entry)
    used.add(from)
    if (to !== null) used.add(to)
    traces.add(entry.trace_id)
    return {
      index: entry.index,
      trace: entry.trace_id,
      time: entry.time,
      sinceMs: Date.parse(entry.time) - startMs,
      from,
      to,
      label,
      detail: [detail, callCost(entry)].filter((part) => part !== '').join(', '),
      tone
    }
  })
  const isCall = always.some((lane) => used.has(lane))
  return { lanes: order.filter((lane) => used.has(lane) || (isCall && always.includes(lane))), steps, traces: [...traces] }
}

const callCost = ({ cost, model }: LedgerEntry): string => list(model, cost === undefined ? '' : `$${cost}`)
