import { type Command, dataOption, ledgerOption } from '../command.ts'
import type { Option } from '../line/arguments.ts'

export const storeOption: Option = {
  name: 'store',
  value: 'PLACE',
  place: true,
  summary: 'state of the plugins: a file, or redis://HOST#NAME (default: $IF_STORE, else state.db in the data folder)'
}

/** Options of every command that works on the state of the plugins. */
export const stateOptions: readonly Option[] = [dataOption, storeOption, ledgerOption]

const swarmOption: Option = { name: 'swarm', value: 'ID', required: true, summary: 'which swarm' }
const fenceOption: Option = { name: 'fence', value: 'N', required: true, summary: 'fencing token that the claim gave' }
const costOption: Option = { name: 'cost', value: 'USD', summary: 'what it cost, an exact decimal' }
const capabilityOption: Option = {
  name: 'capabilities',
  value: 'LIST',
  summary: 'name:level by comma, levels 0 to 1: code.rust:0.8,law'
}

const tasks = () => import('../commands/coordinator/tasks.ts')
const swarms = () => import('../commands/coordinator/swarms.ts')
const state = () => import('../commands/coordinator/state.ts')

export const coordinatorCommands: readonly Command[] = [
  {
    words: ['coordinator', 'tasks', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'tasks, those of high priority first',
    options: [
      ...stateOptions,
      {
        name: 'status',
        value: 'STATE',
        values: ['pending', 'claimed', 'complete', 'failed', 'cancelled'],
        summary: 'pending, claimed, complete, failed or cancelled'
      },
      { name: 'limit', value: 'N', summary: 'at most so many (default: 1000)' }
    ],
    load: async () => ({ run: (await tasks()).list })
  },
  {
    words: ['coordinator', 'tasks', 'add'],
    operands: ['<task>'],
    effect: 'safe',
    summary: 'a new task',
    options: [
      ...stateOptions,
      { name: 'title', value: 'TEXT', summary: 'what it is (default: its name)' },
      { name: 'priority', value: 'N', summary: '0, may wait, to 9, first (default: 5)' },
      { name: 'requires', value: 'LIST', summary: 'capabilities with the least level, by comma: code.rust:0.5,law' },
      { name: 'depends-on', value: 'LIST', summary: 'tasks that must be complete before, by comma' },
      { name: 'deadline', value: 'TIME', summary: 'ISO 8601 or Unix seconds: not complete then, it has failed' },
      { name: 'estimate', value: 'USD', summary: 'what it may cost, an exact decimal' },
      { name: 'hazard', value: 'HAZARD', summary: 'hazard that it raises' },
      { name: 'attempts', value: 'N', summary: 'claims that there may be (default: 3)' },
      { name: 'input', value: 'JSON', summary: 'what whoever claims it is given' },
      { name: 'trace', value: 'ID', summary: 'trace of all its entries (default: a new one)' },
      { name: 'parent', value: 'ID', summary: 'trace under which that one hangs' }
    ],
    load: async () => ({ run: (await tasks()).add })
  },
  {
    words: ['coordinator', 'tasks', 'claim'],
    operands: ['<task>'],
    effect: 'safe',
    summary: 'claim a task for a swarm: exactly one of those who try succeeds',
    options: [...stateOptions, swarmOption, { name: 'lease', value: 'S', summary: 'seconds for which it holds (default: 60)' }],
    load: async () => ({ run: (await tasks()).claim })
  },
  {
    words: ['coordinator', 'tasks', 'renew'],
    operands: ['<task>'],
    effect: 'safe',
    summary: 'make the lease of a claim begin anew',
    options: [
      ...stateOptions,
      swarmOption,
      fenceOption,
      { name: 'lease', value: 'S', summary: 'seconds from now (default: 60)' }
    ],
    load: async () => ({ run: (await tasks()).renew })
  },
  {
    words: ['coordinator', 'tasks', 'release'],
    operands: ['<task>'],
    effect: 'changes',
    summary: 'give a claimed task back',
    options: [
      ...stateOptions,
      swarmOption,
      { name: 'fence', value: 'N', summary: 'only that claim (default: whatever claim the swarm has)' }
    ],
    load: async () => ({ run: (await tasks()).release })
  },
  {
    words: ['coordinator', 'tasks', 'complete'],
    operands: ['<task>'],
    effect: 'safe',
    summary: 'a claimed task is done',
    options: [
      ...stateOptions,
      swarmOption,
      fenceOption,
      costOption,
      { name: 'outcome', value: 'JSON', summary: 'what came of it' }
    ],
    load: async () => ({ run: (await tasks()).complete })
  },
  {
    words: ['coordinator', 'tasks', 'fail'],
    operands: ['<task>'],
    effect: 'safe',
    summary: 'a claimed task could not be done: it goes back to the others while attempts are left',
    options: [...stateOptions, swarmOption, fenceOption, costOption, { name: 'reason', value: 'TEXT', summary: 'why' }],
    load: async () => ({ run: (await tasks()).fail })
  },
  {
    words: ['coordinator', 'tasks', 'cancel'],
    operands: ['<task>'],
    effect: 'changes',
    summary: 'nobody shall do it any more',
    options: [...stateOptions, { name: 'reason', value: 'TEXT', summary: 'why' }],
    load: async () => ({ run: (await tasks()).cancel })
  },
  {
    words: ['coordinator', 'tasks', 'status'],
    operands: ['<task>'],
    effect: 'reads',
    summary: 'one task, what it waits for, and whether it can be claimed',
    options: stateOptions,
    load: async () => ({ run: (await tasks()).status })
  },
  {
    words: ['coordinator', 'tasks', 'watch'],
    operands: [],
    effect: 'reads',
    summary: 'what becomes of tasks, pushed as it happens',
    options: [
      ...stateOptions,
      {
        name: 'after',
        value: 'CURSOR',
        summary: 'what came behind this place too (default: what is kept; with --follow: from now on)'
      },
      { name: 'follow', summary: 'go on until SIGINT (default: only what is kept)' }
    ],
    load: async () => ({ run: (await state()).watchTasks })
  },
  {
    words: ['coordinator', 'swarms', 'add'],
    operands: ['<swarm>'],
    effect: 'changes',
    summary: 'make a swarm known, or change what it can',
    options: [
      ...stateOptions,
      capabilityOption,
      {
        name: 'heartbeat',
        value: 'S',
        summary: 'seconds between its heartbeats: after three of them missed it claims nothing (default: 60)'
      }
    ],
    load: async () => ({ run: (await swarms()).add })
  },
  {
    words: ['coordinator', 'swarms', 'heartbeat'],
    operands: ['<swarm>'],
    effect: 'safe',
    summary: 'the swarm is there',
    options: stateOptions,
    load: async () => ({ run: (await swarms()).heartbeat })
  },
  {
    words: ['coordinator', 'swarms', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'swarms, and when they were last heard of',
    options: [...stateOptions, { name: 'active', summary: 'only those that may claim' }],
    load: async () => ({ run: (await swarms()).list })
  },
  {
    words: ['coordinator', 'swarms', 'status'],
    operands: ['<swarm>'],
    effect: 'reads',
    summary: 'one swarm, what it can and what it holds',
    options: stateOptions,
    load: async () => ({ run: (await swarms()).status })
  },
  {
    words: ['coordinator', 'swarms', 'tasks'],
    operands: ['<swarm>'],
    effect: 'reads',
    summary: 'tasks that a swarm has claimed',
    options: stateOptions,
    load: async () => ({ run: (await swarms()).tasks })
  },
  {
    words: ['coordinator', 'stats'],
    operands: [],
    effect: 'reads',
    summary: 'how many tasks and swarms are in which state',
    options: stateOptions,
    load: async () => ({ run: (await state()).stats })
  },
  {
    words: ['coordinator', 'latency', 'benchmark'],
    operands: [],
    effect: 'safe',
    summary: 'how long a claim takes, beside a bare transaction, in a store of its own at the same place',
    options: [...stateOptions, { name: 'iterations', value: 'N', summary: 'claims (default: 100)' }],
    load: async () => ({ run: (await state()).latency })
  },
  {
    words: ['coordinator', 'health', 'check'],
    operands: [],
    effect: 'reads',
    summary: 'whether the store keeps its promise and nothing was left undone; exit code 1 when not',
    options: stateOptions,
    load: async () => ({ run: (await state()).health })
  },
  {
    words: ['coordinator', 'eventbus', 'status'],
    operands: [],
    effect: 'reads',
    summary: 'the feed of events: how much is kept, and its newest place',
    options: stateOptions,
    load: async () => ({ run: (await state()).eventBus })
  },
  {
    words: ['coordinator', 'eventbus', 'watch'],
    operands: ['<pattern>'],
    effect: 'reads',
    summary: 'events whose topics match, pushed: task.claimed.*, swarm.**',
    options: [
      ...stateOptions,
      {
        name: 'after',
        value: 'CURSOR',
        summary: 'what came behind this place too (default: what is kept; with --follow: from now on)'
      },
      { name: 'follow', summary: 'go on until SIGINT (default: only what is kept)' }
    ],
    load: async () => ({ run: (await state()).watchEvents })
  }
]
