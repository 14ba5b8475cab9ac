/** What the signalling entities of H.245 have in common: what they do, and how a message is put together. */
import type {
  CommandMessage,
  IndicationMessage,
  MultimediaSystemControlMessage,
  RequestMessage,
  ResponseMessage
} from '../../h245/h245.ts'

/** Timers of H.245 by their numbers. @see H.245 appendix III */
export type H245Timer = 'T101' | 'T103' | 'T105' | 'T106' | 'T108' | 'T109'

/** What an entity asks for. `tell` speaks to the user of the entity. */
export type EntityEffect<Told> =
  | { readonly type: 'send'; readonly message: MultimediaSystemControlMessage }
  | { readonly type: 'start'; readonly timer: H245Timer }
  | { readonly type: 'stop'; readonly timer: H245Timer }
  | { readonly type: 'tell'; readonly told: Told }

export const request = (value: RequestMessage): MultimediaSystemControlMessage => ({ type: 'request', value })
export const response = (value: ResponseMessage): MultimediaSystemControlMessage => ({ type: 'response', value })
export const command = (value: CommandMessage): MultimediaSystemControlMessage => ({ type: 'command', value })
export const indication = (value: IndicationMessage): MultimediaSystemControlMessage => ({ type: 'indication', value })

export const send = (message: MultimediaSystemControlMessage) => ({ type: 'send', message }) as const
export const start = (timer: H245Timer) => ({ type: 'start', timer }) as const
export const stop = (timer: H245Timer) => ({ type: 'stop', timer }) as const
export const tell = <Told>(told: Told) => ({ type: 'tell', told }) as const
