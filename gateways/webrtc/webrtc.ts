/** The council in browsers: a page, seats, and signalling over a WebSocket. */
export type { BrowserLeg, ConnectionChange, CouncilPorts, CouncilRooms, RosterMember } from './ports.ts'
export { type CouncilConfig, type CouncilService, startCouncilService } from './service.ts'
