import { type Command, dataOption, ledgerOption, ratesOption } from '../command.ts'

/** Commands: what was spent. */
export const optimiseCommands: readonly Command[] = [
  {
    words: ['optimise', 'report'],
    operands: [],
    effect: 'reads',
    summary: 'what was spent, and on what',
    options: [
      dataOption,
      ledgerOption,
      ratesOption,
      { name: 'component', value: 'NAME', summary: 'by this component' },
      { name: 'trace-id', value: 'ID', summary: 'by this trace and those under it' },
      {
        name: 'group-by',
        value: 'WHAT',
        values: ['component', 'model', 'day', 'trace'],
        summary: 'component (default), model, day or trace; a trace holds those under it'
      }
    ],
    load: () => import('../commands/optimise/report.ts')
  },
  {
    words: ['optimise', 'budget'],
    operands: [],
    effect: 'reads',
    summary: 'what may be spent: how much of it is, and what it comes to when it goes on; --set sets it',
    options: [
      dataOption,
      ledgerOption,
      ratesOption,
      { name: 'set', value: 'USD', forAgents: false, summary: 'set the budget of the period, from its beginning on' },
      { name: 'remove', forAgents: false, summary: 'take the budget of the period away' },
      {
        name: 'period',
        value: 'WHAT',
        values: ['month', 'week', 'day'],
        summary: 'month (default with --set and --remove), week or day, in UTC; weeks begin on Monday'
      }
    ],
    load: () => import('../commands/optimise/budget.ts')
  },
  {
    words: ['optimise', 'alerts'],
    operands: [],
    effect: 'safe',
    summary:
      'budgets of which 50 % (notice), 80 % (warning) or 100 % (error) are spent; each is recorded once a period and budget',
    options: [
      dataOption,
      ledgerOption,
      ratesOption,
      { name: 'follow', summary: 'go on with alerts as they come, until SIGINT' },
      { name: 'dry-run', summary: 'record nothing' },
      { name: 'exit-code', summary: 'end with 20, 21 or 22 for the highest level reached' }
    ],
    load: () => import('../commands/optimise/alerts.ts')
  },
  {
    words: ['optimise', 'estimate'],
    operands: [],
    effect: 'reads',
    summary: 'what H.323 calls of 30 minutes will cost in a month',
    options: [
      { name: 'mbit', value: 'N', required: true, summary: 'bandwidth of a call, Mbit/s' },
      { name: 'minutes-per-day', value: 'N', summary: 'minutes of calls a day' },
      { name: 'days', value: 'N', summary: 'days of the month (default 30)' }
    ],
    load: () => import('../commands/optimise/estimate.ts')
  },
  {
    words: ['optimise', 'rates'],
    operands: [],
    effect: 'reads',
    summary: 'what models cost per million tokens, and since when',
    options: [dataOption, ratesOption],
    load: () => import('../commands/optimise/rates.ts')
  }
]
