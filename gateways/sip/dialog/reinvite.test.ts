import test from 'ava'
import { step } from '#kernel'
import { type ReinviteEffect, type ReinviteEvent, type ReinviteState, reinviteTable, yieldMs } from './reinvite.ts'

test('a re-INVITE of ours: every state meets every event; who made the Call-ID yields longer', (t) => {
  const all: readonly ReinviteEvent[] = [
    { type: 'ask' },
    { type: 'accepted' },
    { type: 'glare' },
    { type: 'refused' },
    { type: 'turn' },
    { type: 'over' }
  ]
  const walked = (['idle', 'sending', 'yielding'] as const).map((state) =>
    all
      .map((event) => step<ReinviteState, ReinviteEvent, ReinviteEffect, void>(reinviteTable, state, event, undefined))
      .map(({ allowed, state: next, effects }) => (allowed ? `${next} ${effects.map(({ type }) => type)}`.trim() : '–'))
  )
  t.deepEqual(walked, [
    ['sending send', '–', '–', '–', '–', '–'],
    ['–', 'idle', 'yielding yield', 'idle', '–', 'idle'],
    ['–', '–', '–', 'idle', 'sending send', 'idle forget']
  ])
  t.deepEqual([yieldMs(true, 0), yieldMs(true, 0.9999), yieldMs(false, 0), yieldMs(false, 0.9999)], [2100, 4000, 0, 2000])
})
