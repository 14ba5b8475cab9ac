/** The SIP application: takes calls from the edge through IF.guard into a conference, on drachtio-srf alone. */

export {
  type OpenCall,
  type SipApplication,
  type SipApplicationPorts,
  type SipApplicationStats,
  startSipApplication
} from './application.ts'
export type { CallSnapshot, CallTimelineEvent, SipApplicationEvent } from './call-events.ts'
export type { SipApplicationConfig } from './config.ts'
export type { EdgeReport } from './edge-report.ts'
export { type RecordedDialog, readRecordedDialog } from './left-dialogs.ts'
export type { ResponseSeen } from './responses.ts'
