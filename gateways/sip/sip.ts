/** The SIP application: takes calls from the edge through IF.guard into a conference, on drachtio-srf alone. */

export {
  type SipApplication,
  type SipApplicationPorts,
  type SipApplicationStats,
  startSipApplication
} from './application.ts'
export type { SipApplicationConfig } from './config.ts'
export { type OpenCall, type RecordedDialog, readRecordedDialog } from './dialog/left-dialogs.ts'
export type { EdgeReport } from './edge/report.ts'
export type { CallSnapshot, CallTimelineEvent, SipApplicationEvent } from './record/events.ts'
export type { ResponseSeen } from './server/responses.ts'
