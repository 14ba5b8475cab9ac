/** What the calls of an endpoint share, and what one that goes out brings. */
import type { CallContext, Clock, Log, WitnessEvent } from '#kernel'
import type { SignallingModes } from '../../call/call.ts'
import type { Party } from '../../call/messages.ts'
import type { Address } from '../../control/media.ts'
import type { ControlSettings } from '../../control/session.ts'
import type { GenericData } from '../../h225/h225.ts'
import type { ChannelLimits } from '../channel.ts'
import type { Call, MediaPlace, OpenMedia } from '../endpoint.ts'
import type { Admission, AdmissionParts, ReportedCall } from '../registrar.ts'
import type { Sealing } from '../sealing.ts'
import type { Target } from '../target.ts'

export interface CallWorld {
  readonly clock: Clock
  readonly log: Log
  readonly own: Party
  readonly listen: Address
  readonly limits: ChannelLimits
  readonly control: ControlSettings
  readonly openMedia: OpenMedia
  /** Null where no gatekeeper admits calls. */
  readonly admit: ((parts: AdmissionParts) => Promise<Admission>) | null
  /** Null where calls need not be judged here. */
  readonly judge: ((context: CallContext, call: JudgedCall) => Promise<boolean>) | null
  readonly disengage: (call: ReportedCall & { readonly answered: boolean }) => Promise<void>
  readonly endpointIdentifier: () => string | null
  /** @throws when it could not be recorded */
  readonly record: (event: Omit<WitnessEvent, 'component'>) => Promise<void>
  /** Null where call signalling has no hashes. */
  readonly sealing: Sealing | null
  /** @throws {InfraFabricError} `h323.endpoint.closed`, `.busy` */
  readonly dial: (target: Target, place: MediaPlace, more: DialMore) => Call
}

export interface JudgedCall {
  readonly inbound: boolean
  readonly from: string
  readonly to: string
  /** Of the peer. */
  readonly address: Address | null
}

export interface DialMore {
  readonly modes: SignallingModes
  readonly display: string | null
  readonly genericData: readonly GenericData[]
  /** Units of 100 bit/s. */
  readonly bandwidth: number
  readonly context: Partial<CallContext>
  readonly supplementary?: readonly Uint8Array[]
}
