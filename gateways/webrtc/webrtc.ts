/** The council in browsers: a page, seats, and signalling over a WebSocket. */
export type { CallInContext, CallsInContext, CouncilContext, EscalationInContext, FindingInContext } from './context.ts'
export type { SeatTerms } from './invitations.ts'
export { countVotes, type MotionView, votesComponent } from './motions.ts'
export type {
  Admission,
  BrowserLeg,
  ConnectionChange,
  CouncilCalls,
  CouncilPorts,
  CouncilRooms,
  RosterMember,
  SeatKind
} from './ports.ts'
export { seatKinds } from './ports.ts'
export { type CouncilConfig, type CouncilService, type SeatView, startCouncilService } from './service.ts'
export { checkVote } from './vote-check.ts'
export { type Choice, type SignedVote, voteText } from './vote-text.ts'
