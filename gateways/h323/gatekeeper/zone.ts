/** What the parts of the gatekeeper share: its tables, and the effects by which it acts. Nothing here touches sockets, clocks or stores. */
import type { GuardDecision, GuardRequest, WitnessEvent } from '#kernel'
import type { AliasAddress, RasMessage, TransportAddress } from '../h225/h225.ts'
import { type Address, addressOfText, textOfAddress, transportAddressOf } from './addresses.ts'
import type { Settings } from './config.ts'
import type { Claim } from './store/store.ts'
import type { BandwidthAccounts } from './tables/bandwidth.ts'
import type { Call } from './tables/calls.ts'
import type { Registration, RegistrationTable } from './tables/registrations.ts'

/** H.225.0 v7: what this gatekeeper says it speaks. */
export const protocolIdentifier = '0.0.8.2250.0.7'
export const protocolFamily = /^0\.0\.8\.2250\.0\.\d+$/

/** Where a request came from, and on whose behalf as far as that was proved. */
export interface Origin {
  readonly from: Address
  /** Key of its answer. */
  readonly key: string
  /** Octets of the request. */
  readonly size: number
  /** User whose H.235.1 hash the message has; null when nobody's was asked for. */
  readonly user: string | null
  /** Sender named in the token; answers name it as their recipient. */
  readonly sendersId: string | null
}

export type Effect =
  | { readonly type: 'answer'; readonly origin: Origin; readonly message: RasMessage }
  /** No answer is due. */
  | { readonly type: 'silence'; readonly origin: Origin }
  | {
      readonly type: 'send'
      readonly to: Address
      readonly message: RasMessage
      readonly seal: { user: string; generalId: string } | null
    }
  | {
      readonly type: 'claim'
      readonly registration: Registration
      /** Null: the store could not be asked. */
      readonly next: (claim: Claim | null, now: number) => readonly Effect[]
    }
  | { readonly type: 'renew'; readonly endpointId: string; readonly expiresAt: number }
  | { readonly type: 'forget'; readonly endpointId: string; readonly expiredAt?: number }
  | {
      readonly type: 'decide'
      readonly traceId: string
      readonly request: GuardRequest
      /** Null: no decision came in time. */
      readonly next: (decision: GuardDecision | null, now: number) => readonly Effect[]
    }
  | {
      readonly type: 'record'
      readonly event: WitnessEvent
      readonly next?: (recorded: boolean, now: number) => readonly Effect[]
    }

/** A request of ours that waits for its answer. */
export interface Request {
  readonly to: Address
  readonly message: RasMessage
  readonly seal: { user: string; generalId: string } | null
  retriesLeft: number
  dueAt: number
  /** Null: nobody answered. */
  readonly answered: (message: RasMessage | null, now: number) => readonly Effect[]
}

/** Chance as an input. */
export interface Ids {
  readonly traceId: () => string
  readonly endpointId: () => string
}

export interface Zone {
  readonly settings: Settings
  readonly ids: Ids
  /** Address in messages. */
  readonly rasAddress: Address
  readonly registrations: RegistrationTable
  readonly calls: Map<string, Call>
  /** Keys of the calls in which an endpoint has a leg. */
  readonly callsOf: Map<string, Set<string>>
  readonly bandwidth: BandwidthAccounts
  readonly requests: Map<number, Request>
  /** Endpoints that said they are almost out of resources. */
  readonly almostFull: Set<string>
  /** Searches under way here or passed on, by call and destination, with their end: the same one again has come in a circle. */
  readonly searches: Map<string, number>
  /** Unanswered polls in a row, by endpoint. */
  readonly silentPolls: Map<string, number>
  nextSeq: number
  /** Admissions, registrations and searches under way. */
  waiting: number
}

/** Distributes over the alternatives, so that the fields of each stay with its name. */
type ValueOf<T extends RasMessage['type']> = Extract<RasMessage, { type: T }> extends { readonly value: infer V } ? V : never

export const answer = <T extends RasMessage['type']>(origin: Origin, type: T, value: ValueOf<T>): Effect => ({
  type: 'answer',
  origin,
  message: { type, value } as unknown as RasMessage
})

export const component = 'IF.witness.h323'

/** Whether the sender of a message is the endpoint it speaks for: the same address and, with H.235.1, the same user. */
export function speaksFor(zone: Zone, registration: Registration, origin: Origin): boolean {
  if (zone.settings.users !== null) return origin.user !== null && origin.user === registration.user
  return textOfAddress(origin.from) === registration.rasAddress
}

export const sealFor = (registration: Registration): { user: string; generalId: string } | null =>
  registration.user === null ? null : { user: registration.user, generalId: registration.endpointId }

/** Where calls for an endpoint go: to it, or to us where calls are routed. */
export function signalAddressOf({ settings }: Zone, registration: Registration): TransportAddress {
  const ours = settings.callModel === 'gatekeeperRouted' ? settings.callSignalAddress : null
  return transportAddressOf(addressOfText(ours ?? registration.signalAddresses[0]!)!)
}

/** Sends a request of ours and waits for its answer. */
export function ask(
  zone: Zone,
  now: number,
  to: Address,
  seal: Request['seal'],
  messageOf: (requestSeqNum: number) => RasMessage,
  answered: Request['answered']
): Effect {
  const { requestTimeoutMs, retries } = zone.settings
  do zone.nextSeq = (zone.nextSeq % 65_535) + 1
  while (zone.requests.has(zone.nextSeq))
  const message = messageOf(zone.nextSeq)
  zone.requests.set(zone.nextSeq, { to, message, seal, retriesLeft: retries, dueAt: now + requestTimeoutMs, answered })
  return { type: 'send', to, message, seal }
}

export const namesOf = (aliases: readonly AliasAddress[] | undefined): readonly AliasAddress[] => aliases ?? []
export const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
