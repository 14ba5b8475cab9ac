import type { Command } from '../command.ts'
import type { Option } from '../line/arguments.ts'
import { stateOptions } from './coordinator.ts'

const thresholdOption: Option = { name: 'threshold', value: 'SCORE', summary: 'least score, 0 to 1 (default: 0.7)' }
const swarmOption: Option = { name: 'swarm', value: 'ID', summary: 'which swarm' }

const matches = () => import('../commands/governor/capabilities.ts')
const budgets = () => import('../commands/governor/budget.ts')
const circuits = () => import('../commands/governor/circuit.ts')
const costs = () => import('../commands/governor/cost.ts')
const policies = () => import('../commands/governor/policy.ts')

export const governorCommands: readonly Command[] = [
  {
    words: ['governor', 'capabilities', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'capabilities that swarms have, as a tree, and who has them',
    options: stateOptions,
    load: async () => ({ run: (await matches()).list })
  },
  {
    words: ['governor', 'capabilities', 'match'],
    operands: ['<task>'],
    effect: 'reads',
    summary: 'how well each swarm fits a task, and why',
    options: [...stateOptions, thresholdOption],
    load: async () => ({ run: (await matches()).match })
  },
  {
    words: ['governor', 'capabilities', 'swarm'],
    operands: ['<swarm>'],
    effect: 'reads',
    summary: 'what a swarm can, and what it made of the tasks it was given',
    options: stateOptions,
    load: async () => ({ run: (await matches()).swarm })
  },
  {
    words: ['governor', 'budget', 'status'],
    operands: [],
    effect: 'reads',
    summary: 'what swarms may spend, and what of it is reserved and spent',
    options: [...stateOptions, swarmOption],
    load: async () => ({ run: (await budgets()).status })
  },
  {
    words: ['governor', 'budget', 'set'],
    operands: [],
    effect: 'changes',
    summary: 'what a swarm may spend',
    options: [
      ...stateOptions,
      { ...swarmOption, required: true },
      { name: 'limit', value: 'USD', required: true, summary: 'US dollars, an exact decimal; none takes the budget away' },
      { name: 'period', value: 'PERIOD', values: ['month', 'week', 'day'], summary: 'month, week or day (default: month)' }
    ],
    load: async () => ({ run: (await budgets()).set })
  },
  {
    words: ['governor', 'budget', 'history'],
    operands: [],
    effect: 'reads',
    summary: 'what was spent, span by span, the newest first',
    options: [...stateOptions, swarmOption, { name: 'start-date', value: 'DATE', summary: 'only spans that end after it' }],
    load: async () => ({ run: (await budgets()).history })
  },
  {
    words: ['governor', 'alerts', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'budgets of which half is gone, or more',
    options: stateOptions,
    load: async () => ({ run: (await budgets()).alerts })
  },
  {
    words: ['governor', 'circuit', 'status'],
    operands: [],
    effect: 'reads',
    summary: 'circuit breakers, and whether they are open',
    options: [...stateOptions, { name: 'component', value: 'NAME', summary: 'only this one: swarm.alpha' }],
    load: async () => ({ run: (await circuits()).status })
  },
  {
    words: ['governor', 'circuit', 'reset'],
    operands: ['<component>'],
    effect: 'changes',
    summary: 'close a circuit, whatever it was',
    options: stateOptions,
    load: async () => ({ run: (await circuits()).reset })
  },
  {
    words: ['governor', 'circuit', 'config'],
    operands: ['<component>'],
    effect: 'changes',
    summary: 'after how many failures in a row a circuit opens, and for how long',
    options: [
      ...stateOptions,
      { name: 'threshold', value: 'N', required: true, summary: 'failures in a row, 1 to 1000' },
      { name: 'cool', value: 'S', summary: 'seconds for which it stays open' }
    ],
    load: async () => ({ run: (await circuits()).config })
  },
  {
    words: ['governor', 'policy', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'policies that were applied, the one in force first',
    options: stateOptions,
    load: async () => ({ run: (await policies()).list })
  },
  {
    words: ['governor', 'policy', 'validate'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'every problem of a policy file, with line and column',
    options: [],
    load: async () => ({ run: (await policies()).validate })
  },
  {
    words: ['governor', 'policy', 'test'],
    operands: [],
    effect: 'reads',
    summary: 'what each rule would say of a claim now, and the verdict; nothing is claimed',
    options: [
      ...stateOptions,
      { name: 'task', value: 'ID', required: true, summary: 'which task' },
      { ...swarmOption, required: true },
      { name: 'file', value: 'FILE', path: true, summary: 'ask these rules (default: those in force)' }
    ],
    load: async () => ({ run: (await policies()).test })
  },
  {
    words: ['governor', 'policy', 'apply'],
    operands: ['<file>'],
    effect: 'changes',
    paths: ['<file>'],
    summary: 'put a policy file into force, from the next claim on',
    options: stateOptions,
    load: async () => ({ run: (await policies()).apply })
  },
  {
    words: ['governor', 'cost', 'analyze'],
    operands: [],
    effect: 'reads',
    summary: 'what claims have cost, and how much of it was wasted',
    options: [
      ...stateOptions,
      { name: 'group-by', value: 'WHAT', values: ['capability', 'swarm'], summary: 'capability or swarm (default: capability)' }
    ],
    load: async () => ({ run: (await costs()).analyze })
  },
  {
    words: ['governor', 'waste', 'report'],
    operands: [],
    effect: 'reads',
    summary: 'claims that ended without a result, and what they cost, the dearest first',
    options: stateOptions,
    load: async () => ({ run: (await costs()).waste })
  },
  {
    words: ['governor', 'recommendations'],
    operands: [],
    effect: 'reads',
    summary: 'what the history suggests, with the numbers it rests on',
    options: stateOptions,
    load: async () => ({ run: (await costs()).recommendations })
  }
]
