import { z } from 'zod'
import { callBridgeStates } from '#kernel'
import { evidenceSchema } from './message.ts'
import { resultStatuses } from './result.ts'

const text = z.string()
const moment = z.iso.datetime().describe('UTC')

/** What became of an escalation, or of one leg of it. */
const resultView = z.strictObject({
  status: z.enum(resultStatuses),
  code: text.describe('Stable and dotted: of IF.guard, of the conference, `sip.<status>`, `call-out.…`, `escalate.…`'),
  reason: text
})

/** One call to one candidate. */
const branchView = z.strictObject({
  branch: z.int().min(1),
  expert: text.describe('Registry id'),
  attempt: z.int().min(1),
  call_id: text,
  call_trace_id: text.describe('Trace of the call, under that of the escalation'),
  state: z.enum(['calling', 'trying', 'ringing', 'connected', 'failed', 'ended']),
  sip_status: z.int().nullable(),
  code: text.nullable(),
  reason: text.nullable(),
  setup_ms: z.number().nullable().describe('From INVITE to 200'),
  duration_ms: z.number().nullable()
})
export type BranchView = z.infer<typeof branchView>

const legKinds = ['expert', 'contrarian'] as const
export type LegKind = (typeof legKinds)[number]

const legView = z.strictObject({
  kind: z.enum(legKinds),
  state: z.enum(['hunting', 'connected', 'ended']),
  result: resultView.nullable(),
  expert: text.nullable().describe('Who was connected'),
  participant: text.nullable().describe('Name in the conference'),
  branches: z.array(branchView)
})
export type LegView = z.infer<typeof legView>

export const bridgeView = z
  .strictObject({
    bridge: text.describe('`h323`, `webrtc`, `ndi`'),
    target: text.nullable().describe('Whom it leads to, where there may be several'),
    state: z.enum(callBridgeStates),
    skipped: text.nullable().describe('Stable code that says why there is nothing to open: no error. Null where it was opened'),
    reason: text.nullable().describe('Stable code of what is wrong, or what the skip is about; null where nothing is wrong')
  })
  .describe('What runs beside the call of the expert, and may fail while it goes on')
export type BridgeView = z.infer<typeof bridgeView>

export const escalationView = z
  .strictObject({
    id: z.string().regex(/^[0-9a-f]{32}$/),
    trace_id: text,
    state: z.enum(['hunting', 'connected', 'ended']),
    degraded: z.boolean().describe('A bridge has failed, or works in part; the call goes on'),
    bridge_state: z.enum(callBridgeStates).describe('Of all bridges together; IDLE where there is none'),
    created_at: moment,
    requested_by: text,
    sender: text,
    message_id: text.nullable(),
    hazard: text,
    conference: text,
    result: resultView.nullable().describe('Null while it is open'),
    legs: z.array(legView),
    bridges: z.array(bridgeView),
    evidence_files: z.array(evidenceSchema)
  })
  .describe('An escalation as it stands')
export type EscalationView = z.infer<typeof escalationView>

const common = {
  id: z.int().min(1).describe('Grows by one with each event, over restarts by more: go on behind it with Last-Event-ID'),
  at: moment,
  escalation: text,
  trace_id: text
}
const ofBranch = { ...common, leg: z.enum(legKinds), branch: z.int().min(1), expert: text }

/** Everything that is told of escalations as it happens, by type. */
export const escalationEvents = {
  requested: z.strictObject({ ...common, type: z.literal('requested'), hazard: text, sender: text }),
  calling: z.strictObject({
    ...ofBranch,
    type: z.literal('calling'),
    attempt: z.int().min(1),
    call_id: text,
    call_trace_id: text
  }),
  trying: z.strictObject({ ...ofBranch, type: z.literal('trying') }),
  ringing: z.strictObject({ ...ofBranch, type: z.literal('ringing'), sip_status: z.int(), early_media: z.boolean() }),
  'branch-failed': z.strictObject({
    ...ofBranch,
    type: z.literal('branch-failed'),
    sip_status: z.int().nullable(),
    code: text,
    reason: text,
    again_in_ms: z.number().nullable().describe('Until the same expert is called again')
  }),
  connected: z.strictObject({
    ...ofBranch,
    type: z.literal('connected'),
    participant: text,
    codec: text.nullable(),
    setup_ms: z.number()
  }),
  result: z.strictObject({ ...common, type: z.literal('result'), leg: z.enum(legKinds), result: resultView }),
  bridge: z.strictObject({
    ...common,
    type: z.literal('bridge'),
    bridge: bridgeView,
    previous: z.enum(callBridgeStates),
    bridge_state: z.enum(callBridgeStates).describe('Of all bridges together')
  }),
  'bridge-retried': z.strictObject({
    ...common,
    type: z.literal('bridge-retried'),
    bridge: text,
    target: text.nullable(),
    by: text.describe('Who wanted it')
  }),
  'hung-up': z.strictObject({ ...ofBranch, type: z.literal('hung-up'), by: text, reason: text, duration_ms: z.number() }),
  ended: z.strictObject({ ...common, type: z.literal('ended'), result: resultView })
} as const

type EventSchemas = typeof escalationEvents
export type EscalationEvent = { [T in keyof EventSchemas]: z.infer<EventSchemas[T]> }[keyof EventSchemas]
