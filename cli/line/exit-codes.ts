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

/** Commands that tell verdicts. */
const verifying = ['witness verify', 'witness import', 'witness prove', 'recording verify', 'ndi verify']

/** What each code says, and which commands end with it: those whose words begin so; none: all. */
const meanings: readonly (readonly [code: number, meaning: string, of: readonly string[]])[] = [
  [exitCodes.ok, 'done; verify: valid', []],
  [exitCodes.failure, 'failed, or not found', []],
  [exitCodes.usage, 'the command line is wrong', []],
  [exitCodes.truncated, 'verify: entries are missing at the end', verifying],
  [exitCodes.altered, 'verify: an entry was changed', verifying],
  [exitCodes.forked, 'verify: another history than the one known', verifying],
  [exitCodes.unwitnessed, 'verify: entries without a good checkpoint', verifying],
  [exitCodes.incomplete, 'verify: what should be recorded is not', verifying],
  [
    exitCodes.indexDiffers,
    'verify --all: the log is valid, but the index beside it says something else: remove index.db',
    ['witness verify']
  ],
  [exitCodes.replayDiffers, 'guard replay: the rules say something else than the record', ['guard replay']],
  [exitCodes.budgetNotice, 'alerts --exit-code: half of a budget is spent', ['optimise alerts']],
  [exitCodes.budgetWarning, 'alerts --exit-code: 80 % of a budget are spent', ['optimise alerts']],
  [exitCodes.budgetError, 'alerts --exit-code: a budget is spent', ['optimise alerts']],
  [exitCodes.escalationRejected, 'escalate: a rule or the expert said no', ['escalate']],
  [exitCodes.escalationAttack, 'escalate: security_rejected, what was asked for looks like an attack', ['escalate']],
  [exitCodes.escalationFailed, 'escalate: failed, no expert was reached', ['escalate']],
  [exitCodes.stoppedAtOnce, 'up, edge, sip-server: told twice to stop', ['up', 'edge', 'sip-server']]
]

/** All of them, for `ifctl help`. */
export const exitCodeMeanings: readonly (readonly [code: number, meaning: string])[] = meanings.map(([code, meaning]) => [
  code,
  meaning
])

/** Those with which a command ends. */
export function exitCodesOf(words: readonly string[]): readonly (readonly [code: number, meaning: string])[] {
  const command = words.join(' ')
  return meanings.filter(([, , of]) => of.length === 0 || of.includes(command)).map(([code, meaning]) => [code, meaning])
}
