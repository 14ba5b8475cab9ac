import type { Table } from '#kernel'

/**
 * Whose turn it is in the exchange of session descriptions of an established dialog.
 *
 * @see RFC 3264 §4, RFC 3261 §14, RFC 3311 §5.2, RFC 6337
 */
export type OfferAnswerState =
  | 'stable'
  /** Their offer is with the conference. */
  | 'answering'
  /** Our offer went out: in a 2xx, so that the answer comes with the ACK, or in an INVITE. */
  | 'offering'

export type OfferAnswerEvent =
  | { readonly type: 'theirOffer' }
  | { readonly type: 'answerSent' }
  | { readonly type: 'ourOffer' }
  | { readonly type: 'theirAnswer' }
  /** Our offer of a re-INVITE came to nothing: what was agreed before stands (RFC 3261 §14.1). */
  | { readonly type: 'offerRefused' }

export const offerAnswerTable = {
  stable: { theirOffer: ['answering'], ourOffer: ['offering'] },
  answering: { answerSent: ['stable'] },
  offering: { theirAnswer: ['stable'], offerRefused: ['stable'] }
} satisfies Table<OfferAnswerState, OfferAnswerEvent, never>

/** The exchange of one dialog. */
export interface OfferAnswerExchange {
  readonly state: () => OfferAnswerState
  readonly move: (event: OfferAnswerEvent) => void
}
