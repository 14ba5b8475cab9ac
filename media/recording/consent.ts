/** Whether one participant agrees to be recorded, as a table. Nothing is recorded in any other state than `given`. */
import type { Table } from '#kernel'

export type ConsentState =
  /** Nobody has asked yet. */
  | 'unasked'
  /** The announcement is being played. */
  | 'announcing'
  /** It has been heard; the answer is awaited. */
  | 'asked'
  | 'given'
  | 'refused'

export type ConsentEvent =
  | { readonly type: 'ask' }
  /** The announcement was played to its end, and an answer is needed. */
  | { readonly type: 'heard' }
  /** The same where hearing it is enough. */
  | { readonly type: 'agreed' }
  | { readonly type: 'yes' }
  | { readonly type: 'no' }
  /** The key for taking back and giving again. */
  | { readonly type: 'turn' }
  | { readonly type: 'timeout' }

export type ConsentEffect =
  | { readonly type: 'announce' }
  | { readonly type: 'wait' }
  | { readonly type: 'record'; readonly by: 'announcement' | 'key' }
  | { readonly type: 'refuse'; readonly by: 'key' | 'timeout' }

const record = (by: 'announcement' | 'key') => [{ type: 'record', by }] as const
const refuse = (by: 'key' | 'timeout') => [{ type: 'refuse', by }] as const

export const consentTable = {
  unasked: { ask: ['announcing', () => [{ type: 'announce' }]] },
  announcing: {
    heard: ['asked', () => [{ type: 'wait' }]],
    agreed: ['given', () => record('announcement')],
    // who answers before the end has heard what it is about
    yes: ['given', () => record('key')],
    no: ['refused', () => refuse('key')],
    turn: ['refused', () => refuse('key')]
  },
  asked: {
    yes: ['given', () => record('key')],
    no: ['refused', () => refuse('key')],
    turn: ['refused', () => refuse('key')],
    timeout: ['refused', () => refuse('timeout')]
  },
  given: { turn: ['refused', () => refuse('key')] },
  refused: { turn: ['given', () => record('key')] }
} satisfies Table<ConsentState, ConsentEvent, ConsentEffect>
