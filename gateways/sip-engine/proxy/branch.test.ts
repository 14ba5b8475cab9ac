import test from 'ava'
import { step, type Table } from '#kernel'
import { type BranchEffect, type BranchEvent, type BranchState, inviteBranch, isOpen, nonInviteBranch } from './branch.ts'

const states: readonly BranchState[] = [
  'unsent',
  'trying',
  'proceeding',
  'cancelHeld',
  'cancelling',
  'abandoned',
  'dismissing',
  'ended'
]
const events: readonly BranchEvent['type'][] = [
  'launch',
  'trying',
  'provisional',
  'success',
  'failure',
  'timeout',
  'unsendable',
  'provisionalExpired',
  'finalExpired',
  'CExpired',
  'cancelledExpired',
  'cancel'
]

/** Next state and effects of every allowed pair, `=` for a state that stays; a pair that is not listed must change nothing. */
const drawn: Record<'INVITE' | 'other', Record<string, string>> = {
  INVITE: {
    'unsent launch': 'trying: +provisional +final +C send',
    'trying trying': 'proceeding: -provisional',
    'trying provisional': 'proceeding: -provisional +C progress',
    'trying success': 'ended: stop success',
    'trying failure': 'ended: stop failure',
    'trying timeout': 'ended: stop timeout',
    'trying unsendable': 'ended: stop unsendable',
    'trying provisionalExpired': 'abandoned: stop timeout',
    'trying finalExpired': 'abandoned: stop timeout',
    'trying CExpired': 'abandoned: stop timeout',
    'trying cancel': 'cancelHeld: stop',
    'proceeding trying': 'proceeding:',
    'proceeding provisional': 'proceeding: +C progress',
    'proceeding success': 'ended: stop success',
    'proceeding failure': 'ended: stop failure',
    'proceeding timeout': 'ended: stop timeout',
    'proceeding unsendable': 'ended: stop unsendable',
    'proceeding finalExpired': 'cancelling: stop sendCancel +cancelled passed',
    'proceeding CExpired': 'cancelling: stop sendCancel +cancelled passed',
    'proceeding cancel': 'cancelling: stop sendCancel +cancelled',
    'cancelHeld trying': 'cancelling: stop sendCancel +cancelled',
    'cancelHeld provisional': 'cancelling: stop sendCancel +cancelled progress',
    'cancelHeld success': 'ended: stop success',
    'cancelHeld failure': 'ended: stop failure',
    'cancelHeld timeout': 'ended: stop timeout',
    'cancelHeld unsendable': 'ended: stop unsendable',
    'cancelling trying': 'cancelling:',
    'cancelling provisional': 'cancelling: progress',
    'cancelling success': 'ended: stop success',
    'cancelling failure': 'ended: stop failure',
    'cancelling timeout': 'ended: stop timeout',
    'cancelling unsendable': 'ended: stop unsendable',
    'cancelling cancelledExpired': 'cancelling: abandon',
    'abandoned trying': 'dismissing: stop sendCancel +cancelled',
    'abandoned provisional': 'dismissing: stop sendCancel +cancelled',
    'abandoned success': 'ended: stop success',
    'abandoned failure': 'ended: stop',
    'abandoned timeout': 'ended: stop',
    'abandoned unsendable': 'ended: stop',
    'dismissing trying': 'dismissing:',
    'dismissing provisional': 'dismissing:',
    'dismissing success': 'ended: stop success',
    'dismissing failure': 'ended: stop',
    'dismissing timeout': 'ended: stop',
    'dismissing unsendable': 'ended: stop',
    'dismissing cancelledExpired': 'dismissing: abandon',
    'ended success': 'ended: success'
  },
  other: {
    'unsent launch': 'trying: +provisional +final send',
    'trying trying': 'proceeding: -provisional',
    'trying provisional': 'proceeding: -provisional',
    'trying success': 'ended: stop success',
    'trying failure': 'ended: stop failure',
    'trying timeout': 'ended: stop timeout',
    'trying unsendable': 'ended: stop unsendable',
    'trying provisionalExpired': 'abandoned: stop timeout',
    'trying finalExpired': 'abandoned: stop timeout',
    'trying cancel': 'abandoned: stop',
    'proceeding trying': 'proceeding:',
    'proceeding provisional': 'proceeding:',
    'proceeding success': 'ended: stop success',
    'proceeding failure': 'ended: stop failure',
    'proceeding timeout': 'ended: stop timeout',
    'proceeding unsendable': 'ended: stop unsendable',
    'proceeding finalExpired': 'abandoned: stop timeout',
    'proceeding cancel': 'abandoned: stop',
    'abandoned success': 'ended: stop success',
    'abandoned failure': 'ended: stop',
    'abandoned timeout': 'ended: stop',
    'abandoned unsendable': 'ended: stop'
  }
}

const written = (effect: BranchEffect): string => {
  if (effect.type === 'startTimer') return `+${effect.timer}`
  if (effect.type === 'stopTimer') return `-${effect.timer}`
  if (effect.type === 'stopTimers') return 'stop'
  return effect.type === 'tell' ? effect.news : effect.type
}

for (const [name, table] of [
  ['INVITE', inviteBranch],
  ['other', nonInviteBranch]
] as const) {
  test(`a branch (${name}) in every state, with every event`, (t) => {
    for (const state of states) {
      for (const type of events) {
        const next = step(table as Table<BranchState, BranchEvent, BranchEffect>, state, { type }, undefined)
        const expected = drawn[name][`${state} ${type}`]
        t.is(next.allowed, expected !== undefined, `${state} ${type}`)
        if (expected === undefined) t.deepEqual([next.state, next.effects], [state, []])
        else t.is([`${next.state}:`, ...next.effects.map(written)].join(' '), expected, `${state} ${type}`)
      }
    }
  })
}

test('from every state that a response context waits for there is a way to the end', (t) => {
  for (const [table, invite] of [
    [inviteBranch, true],
    [nonInviteBranch, false]
  ] as const) {
    for (const state of states.filter(isOpen)) {
      if (!invite && state.startsWith('cancel')) continue
      const { state: next } = step(table as Table<BranchState, BranchEvent, BranchEffect>, state, { type: 'timeout' }, undefined)
      t.is(next, 'ended')
    }
  }
})
