/**
 * A file on its way out, as a table: one operation (an offer answered, a chunk acknowledged, a receipt) takes 10 s at most, and is tried again after 1, 2
 * and 4 s.
 */
import { type Step, step, type Table } from '#kernel'
import type { EvidenceRefusalCode } from '../names.ts'
import type { Receipt } from './messages.ts'

export const outgoingStates = ['waiting', 'offered', 'sending', 'handedOver', 'refused', 'failed'] as const
export type OutgoingState = (typeof outgoingStates)[number]

export type OutgoingEvent =
  | { readonly type: 'start' }
  /** The other has everything before `next`. `again`: from there on it is to be sent once more. */
  | { readonly type: 'have'; readonly next: number; readonly again: boolean }
  | { readonly type: 'receipt'; readonly receipt: Receipt }
  | { readonly type: 'refused'; readonly code: EvidenceRefusalCode; readonly reason: string }
  | { readonly type: 'timeout' }
  | { readonly type: 'again' }
  | { readonly type: 'exhausted' }
  | { readonly type: 'lost' }

export type OutgoingEffect =
  | { readonly do: 'offer' }
  /** Sends from `next` on. */
  | { readonly do: 'sendFrom'; readonly next: number }
  /** Everything before `next` has arrived: more may be on its way. */
  | { readonly do: 'acknowledged'; readonly next: number }
  | { readonly do: 'stopSending' }
  | { readonly do: 'waitOperation' }
  | { readonly do: 'waitAgain' }
  | { readonly do: 'stopWaiting' }
  | { readonly do: 'confirm'; readonly receipt: Receipt }
  | { readonly do: 'tell'; readonly outcome: 'handedOver' | 'refused' | 'failed'; readonly code: EvidenceRefusalCode | null }

type Told = 'handedOver' | 'refused' | 'failed'
const over = (outcome: Told, code: EvidenceRefusalCode | null): readonly OutgoingEffect[] => [
  { do: 'stopWaiting' },
  { do: 'stopSending' },
  { do: 'tell', outcome, code }
]
const offer = (): readonly OutgoingEffect[] => [{ do: 'offer' }, { do: 'waitOperation' }]
const received = ({ receipt }: { receipt: Receipt }): readonly OutgoingEffect[] => [
  { do: 'confirm', receipt },
  ...over('handedOver', null)
]
const no = ({ code }: { code: EvidenceRefusalCode }) => over('refused', code)
const halt = (): readonly OutgoingEffect[] => [{ do: 'stopWaiting' }, { do: 'stopSending' }]

const outgoingTable = {
  waiting: {
    start: ['offered', offer],
    refused: ['refused', no]
  },
  offered: {
    have: ['sending', ({ next }) => [{ do: 'sendFrom', next }, { do: 'waitOperation' }]],
    receipt: ['handedOver', received],
    refused: ['refused', no],
    timeout: ['offered', () => [{ do: 'stopSending' }, { do: 'waitAgain' }]],
    again: ['offered', offer],
    exhausted: ['failed', () => over('failed', 'evidence.timeout')],
    lost: ['waiting', halt]
  },
  sending: {
    have: [
      'sending',
      ({ next, again }) => [again ? { do: 'sendFrom', next } : { do: 'acknowledged', next }, { do: 'waitOperation' }]
    ],
    receipt: ['handedOver', received],
    refused: ['refused', no],
    // what is under way may be lost: the offer is made anew, and the answer says what is there
    timeout: ['offered', () => [{ do: 'stopSending' }, { do: 'waitAgain' }]],
    exhausted: ['failed', () => over('failed', 'evidence.timeout')],
    lost: ['waiting', halt]
  },
  // the confirmation of a receipt may have been lost: it is confirmed again
  handedOver: { receipt: ['handedOver', ({ receipt }) => [{ do: 'confirm', receipt }]] },
  refused: {},
  // another channel, another try
  failed: { start: ['offered', offer] }
} satisfies Table<OutgoingState, OutgoingEvent, OutgoingEffect>

export const stepOutgoing = (state: OutgoingState, event: OutgoingEvent): Step<OutgoingState, OutgoingEffect> =>
  step<OutgoingState, OutgoingEvent, OutgoingEffect, void>(outgoingTable, state, event, undefined)
