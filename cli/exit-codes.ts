/** What the exit status of ifctl says. Stable. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  truncated: 10,
  altered: 11,
  forked: 12,
  unwitnessed: 13,
  incomplete: 14,
  indexDiffers: 15,
  replayDiffers: 16,
  budgetNotice: 20,
  budgetWarning: 21,
  budgetError: 22,
  escalationRejected: 30,
  escalationAttack: 31,
  escalationFailed: 32,
  stoppedAtOnce: 130
} as const

/** For `ifctl help` and the README. */
export const exitCodeMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [exitCodes.ok, 'done; verify: valid'],
  [exitCodes.failure, 'failed, or not found'],
  [exitCodes.usage, 'the command line is wrong'],
  [exitCodes.truncated, 'verify: entries are missing at the end'],
  [exitCodes.altered, 'verify: an entry was changed'],
  [exitCodes.forked, 'verify: another history than the one known'],
  [exitCodes.unwitnessed, 'verify: entries without a good checkpoint'],
  [exitCodes.incomplete, 'verify: what should be recorded is not'],
  [exitCodes.indexDiffers, 'verify --all: the log is valid, but the index beside it says something else: remove index.db'],
  [exitCodes.replayDiffers, 'guard replay: the rules say something else than the record'],
  [exitCodes.budgetNotice, 'alerts --exit-code: half of a budget is spent'],
  [exitCodes.budgetWarning, 'alerts --exit-code: 80 % of a budget are spent'],
  [exitCodes.budgetError, 'alerts --exit-code: a budget is spent'],
  [exitCodes.escalationRejected, 'escalate: a rule or the expert said no'],
  [exitCodes.escalationAttack, 'escalate: security_rejected, what was asked for looks like an attack'],
  [exitCodes.escalationFailed, 'escalate: failed, no expert was reached'],
  [exitCodes.stoppedAtOnce, 'up, sip-server: told twice to stop']
]
