/** IF.ESCALATE: brings an expert into the council's conference on the word of an AI system, and tells every step of it. */

export { type BridgeChange, type RetryOutcome, type RunningBridges, runBridges } from './bridges.ts'
export { type BridgeWish, createEscalator, type Escalator, type EscalatorPorts, type Requester } from './escalator.ts'
export type { EventLog } from './events.ts'
export { type Evidence, type IfMessage, type IfMessageInput, ifMessageSchema } from './message.ts'
export type { ExpertDirectory } from './plan.ts'
export { type EscalationResult, isDecline, type ResultStatus } from './result.ts'
export { defaultRetryPolicy, type RetryPolicy } from './retry.ts'
export type { EscalateSettings } from './settings.ts'
export {
  type BridgeView,
  bridgeView,
  type EscalationEvent,
  type EscalationView,
  escalationEvents,
  escalationView
} from './view.ts'
