/** The council in browsers: a page, seats, and signalling over a WebSocket. */
export type { CallInContext, CallsInContext, CouncilContext, EscalationInContext, FindingInContext } from './context.ts'
export {
  createEvidence,
  type Evidence,
  type EvidenceCallView,
  type SharedEvidence,
  type ShareRequest
} from './evidence/evidence.ts'
export type { EvidenceChannel, EvidenceShelf, EvidenceSource } from './evidence/link/link-ports.ts'
export { chunkOctets, type EvidenceContext } from './evidence/link/messages.ts'
export { type SessionState, sessionStates } from './evidence/link/session-machine.ts'
export type { EvidenceRefusal } from './evidence/names.ts'
export { createPageLinks, type PageLinks } from './evidence/page-links.ts'
export { createEvidencePages } from './evidence/pages.ts'
export { type DataPeer, EvidenceParticipant, roomIn } from './evidence/participant.ts'
export {
  defaultStoreLimits,
  type EvidenceItem,
  type EvidenceStore,
  openEvidenceStore,
  type StoreLimits
} from './evidence/store.ts'
export { type EvidenceTotals, emptyTotals } from './evidence/totals.ts'
export { type SeatTerms, seatUser } from './invitations.ts'
export type { MotionView } from './motions.ts'
export type {
  Admission,
  BrowserLeg,
  ConnectionChange,
  CouncilCalls,
  CouncilEvidence,
  CouncilPorts,
  CouncilRooms,
  CouncilSip,
  RosterMember,
  SeatKind
} from './ports.ts'
export { seatKinds } from './ports.ts'
export { Recorder, textHash } from './record.ts'
export { type CouncilConfig, type CouncilService, type Given, type SeatView, startCouncilService } from './service.ts'
export type { NoticeCode, PageSignal, RefusalCode, ServiceSignal, SipTerms } from './signals.ts'
export { createVoteSigner, type VoteSigner } from './vote-signer.ts'
export type { Choice, SignedVote } from './vote-text.ts'
