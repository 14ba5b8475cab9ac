/** What a suite at work shows, and what it takes besides its settings. */
import type { Escalator } from '#escalate'
import type { RunningGuard } from '#guard'
import type { Clock, Guard, Log, Witness } from '#kernel'
import type { LocalWitness, Witnessing } from '#ledger'
import type { MediaPlane, Recorder, Stages } from '#media'
import type { CallSnapshot, SipApplicationStats } from '#sip'
import type { DataLayout } from './data/layout.ts'
import type { EmbeddedEdge } from './edge/edge.ts'
import type { Part, SuiteEvent } from './events.ts'
import type { RunningH323 } from './h323/h323.ts'
import type { RunningNdi } from './ndi/ndi.ts'
import type { SuiteConfig } from './settings/settings.ts'
import type { RunningWebRtc } from './webrtc/webrtc.ts'

export interface Address {
  readonly address: string
  readonly port: number
}

export interface SuiteStatus {
  /** Wall clock of the start. */
  readonly since: number
  readonly parts: Readonly<Record<Part, 'running' | 'down'>>
  readonly calls: readonly CallSnapshot[]
  readonly sip: SipApplicationStats
  readonly ledger: {
    readonly size: number
    readonly pending: number
    readonly state: 'direct' | 'spooling'
    readonly witnessing: Witnessing
  }
  readonly registry: { readonly parties: number; readonly problems: readonly string[] }
  /** Whole days until the server certificate of the embedded edge expires; null with an external edge. */
  readonly certificateDaysLeft: number | null
}

/** A suite at work. */
export interface Suite {
  readonly config: SuiteConfig
  readonly addresses: {
    /** Of the embedded edge; null with an external one. */
    readonly tls: Address | null
    readonly udp: Address | null
    readonly tcp: Address | null
    /** Where the same ports are taken with IPv6; null where that is off. */
    readonly ipv6: string | null
    /** Where the edge reaches the application's SIP server by UDP, and by TCP. */
    readonly app: Address
    readonly appTcp: Address
    /** Where the application reaches its SIP server; loopback only. */
    readonly admin: Address
    /** RAS of the gatekeeper; null where H.323 is off. */
    readonly ras: Address | null
    /** URL of the ledger's service; null where it is off. */
    readonly ledger: string | null
    /** URL of the council's page; null where browsers are off. */
    readonly council: string | null
  }
  readonly data: DataLayout
  /** Public key of the ledger, in the form auditors keep. */
  readonly vkey: string
  readonly status: () => SuiteStatus
  /** Calls experts out. */
  readonly escalator: Escalator
  readonly onEvent: (listener: (event: SuiteEvent) => void) => void
  /** Parts that tests and the demo look into. */
  readonly inside: {
    readonly media: MediaPlane
    readonly stages: Stages
    /** Null where recordings are off. */
    readonly recorder: Recorder | null
    readonly witness: LocalWitness
    readonly guard: RunningGuard
    readonly edge: EmbeddedEdge | null
    readonly h323: RunningH323 | null
    readonly webrtc: RunningWebRtc | null
    /** Null where NDI is off, or there is no runtime. */
    readonly ndi: RunningNdi | null
  }
  /** Ends calls with BYE, then stops every part in the reverse order of its start. Leaves no process, socket or timer. Idempotent. */
  readonly stop: () => Promise<void>
}

/** What the application asks for every call. */
export interface CallPorts {
  readonly witness: Witness
  readonly guard: Guard
}

export interface SuiteOptions {
  readonly log?: Log
  readonly clock?: Clock
  /** Told from the first part on, which {@link Suite.onEvent} is too late for. */
  readonly onEvent?: (event: SuiteEvent) => void
  /** What the application is given in place of ledger and guard, for benchmarks that take their cost away. They run all the same. */
  readonly callPorts?: (real: CallPorts) => CallPorts
}
