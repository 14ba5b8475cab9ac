import type { BridgeView } from '#escalate'
import type { SipApplicationEvent } from '#sip'

/** Parts of the suite, in the order in which they start. */
export const parts = ['data', 'ledger', 'guard', 'media', 'sip-engine', 'application', 'h323', 'webrtc', 'ndi', 'edge'] as const
export type Part = (typeof parts)[number]

/** Everything the suite tells while it runs. */
export type SuiteEvent =
  | SipApplicationEvent
  | {
      readonly type: 'part'
      readonly at: number
      readonly part: Part
      readonly state: 'started' | 'stopped' | 'lost' | 'restarted'
      readonly detail: string | null
    }
  | {
      readonly type: 'registry'
      readonly at: number
      readonly ok: true
      readonly parties: number
      readonly newUsers: readonly string[]
    }
  | { readonly type: 'registry'; readonly at: number; readonly ok: false; readonly problems: readonly string[] }
  /** The rules of IF.guard changed, or a rule file was refused; `hash` is of those in force. */
  | { readonly type: 'rules'; readonly at: number; readonly ok: true; readonly hash: string; readonly previous: string | null }
  | {
      readonly type: 'rules'
      readonly at: number
      readonly ok: false
      readonly hash: string
      readonly problems: readonly string[]
    }
  | {
      readonly type: 'recording'
      readonly at: number
      readonly recording: string
      readonly conference: string
      readonly state: 'started' | 'stopped' | 'failed'
      readonly seconds: number
      /** Why it ended; null while it runs. */
      readonly reason: string | null
    }
  /** A bridge of an expert's call was skipped, or has changed its state. */
  | ({
      readonly type: 'call-bridge'
      readonly at: number
      readonly traceId: string
      readonly previous: BridgeView['state']
    } & BridgeView)
  | { readonly type: 'warning'; readonly at: number; readonly code: string; readonly message: string }
