import type { Command } from '../command.ts'
import type { Option } from '../line/arguments.ts'
import { stateOptions } from './coordinator.ts'

const limitOptions: readonly Option[] = [
  { name: 'cpu', value: 'PERCENT', summary: 'share of one processor, 1 to 100' },
  { name: 'memory', value: 'MB', summary: 'linear memory, MiB, 1 to 1024' },
  { name: 'deadline', value: 'S', summary: 'seconds after which a run is killed, 1 to 3600' }
]

const sandboxes = () => import('../commands/chassis/sandbox.ts')
const resources = () => import('../commands/chassis/resources.ts')
const credentials = () => import('../commands/chassis/credentials.ts')
const slo = () => import('../commands/chassis/slo.ts')
const reputation = () => import('../commands/chassis/reputation.ts')

const whoseOptions: readonly Option[] = [
  { name: 'swarm', value: 'ID', summary: 'of this swarm' },
  { name: 'sandbox', value: 'ID', summary: 'of this sandbox' }
]

export const chassisCommands: readonly Command[] = [
  {
    words: ['chassis', 'sandbox', 'create'],
    operands: ['[sandbox]'],
    effect: 'changes',
    summary: 'make a sandbox for a WebAssembly command (WASI preview 1); it is named when it is given no name',
    options: [
      ...stateOptions,
      { name: 'swarm', value: 'ID', required: true, summary: 'whose code it is for' },
      { name: 'wasm', value: 'FILE', path: true, summary: 'the module' },
      { name: 'task', value: 'ID', summary: 'task it is for, which the swarm has claimed: its trace is that of the sandbox' },
      { name: 'trace', value: 'ID', summary: 'trace without a task (default: a new one)' },
      { name: 'may-raise', value: 'LIST', summary: 'hazards that its runs may raise, by comma (default: that of the task)' },
      { name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' },
      { name: 'read-only', value: 'LIST', summary: 'directories that it may read, by comma: /data=DIR' },
      { name: 'read-write', value: 'LIST', summary: 'directories that it may change too, by comma: /out=DIR' },
      ...limitOptions
    ],
    load: async () => ({ run: (await sandboxes()).create })
  },
  {
    words: ['chassis', 'sandbox', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'sandboxes there are',
    options: [
      ...stateOptions,
      { name: 'status', value: 'STATE', values: ['created', 'running', 'stopped'], summary: 'created, running or stopped' }
    ],
    load: async () => ({ run: (await sandboxes()).list })
  },
  {
    words: ['chassis', 'sandbox', 'start'],
    operands: ['<sandbox>'],
    effect: 'changes',
    summary: 'run its module here to its end; what it prints goes to stdout and stderr',
    options: [
      ...stateOptions,
      { name: 'input', value: 'FILE', path: true, summary: 'its standard input, at most 1 MiB; - for stdin' },
      { name: 'args', value: 'LIST', summary: 'its arguments, by comma' },
      { name: 'out', value: 'FILE', path: true, forAgents: false, summary: 'where its output goes' }
    ],
    load: async () => ({ run: (await sandboxes()).start })
  },
  {
    words: ['chassis', 'sandbox', 'stop'],
    operands: ['<sandbox>'],
    effect: 'changes',
    summary: 'have its run killed, whichever process runs it',
    options: stateOptions,
    load: async () => ({ run: (await sandboxes()).stop })
  },
  {
    words: ['chassis', 'sandbox', 'destroy'],
    operands: ['<sandbox>'],
    effect: 'changes',
    summary: 'remove a sandbox with its log and its grants; its audit trail stays',
    options: stateOptions,
    load: async () => ({ run: (await sandboxes()).destroy })
  },
  {
    words: ['chassis', 'sandbox', 'logs'],
    operands: ['<sandbox>'],
    effect: 'reads',
    summary: 'what its runs printed',
    options: [...stateOptions, { name: 'follow', summary: 'then go on as it comes, until SIGINT' }],
    load: async () => ({ run: (await sandboxes()).logs })
  },
  {
    words: ['chassis', 'resources', 'limits'],
    operands: ['[sandbox]'],
    effect: 'reads',
    summary: 'what runs of a sandbox may use; without one, the default',
    options: stateOptions,
    load: async () => ({ run: (await resources()).limits })
  },
  {
    words: ['chassis', 'resources', 'usage'],
    operands: ['[sandbox]'],
    effect: 'reads',
    summary: 'what runs have used',
    options: [...stateOptions, { name: 'follow', summary: 'go on with runs as they end, until SIGINT' }],
    load: async () => ({ run: (await resources()).usage })
  },
  {
    words: ['chassis', 'resources', 'set'],
    operands: ['<sandbox>'],
    effect: 'changes',
    summary: 'change what runs may use, from the next start on',
    options: [...stateOptions, ...limitOptions],
    load: async () => ({ run: (await resources()).set })
  },
  {
    words: ['chassis', 'credentials', 'scope'],
    operands: ['<sandbox>'],
    effect: 'changes',
    summary: 'let a sandbox have a service used, without seeing its secret',
    options: [
      ...stateOptions,
      { name: 'allow', value: 'SERVICE', required: true, summary: 'a service of chassis/services.json in the data folder' },
      { name: 'minutes', value: 'N', summary: 'for how long, 1 to 1440 (default: 15)' },
      { name: 'uses', value: 'N', summary: 'how often at most, 1 to 10000 (default: 100)' }
    ],
    load: async () => ({ run: (await credentials()).scope })
  },
  {
    words: ['chassis', 'credentials', 'revoke'],
    operands: ['<sandbox>', '<grant>'],
    effect: 'changes',
    summary: 'take a grant back; the next use is refused',
    options: stateOptions,
    load: async () => ({ run: (await credentials()).revoke })
  },
  {
    words: ['chassis', 'credentials', 'audit'],
    operands: ['[sandbox]'],
    effect: 'reads',
    summary: 'grants there are, and what is left of them',
    options: stateOptions,
    load: async () => ({ run: (await credentials()).audit })
  },
  {
    words: ['chassis', 'audit', 'trail'],
    operands: ['<sandbox>'],
    effect: 'reads',
    summary: 'everything that was done with a sandbox, also after its end',
    options: [...stateOptions, { name: 'export', value: 'FORM', values: ['json'], summary: 'json: one document' }],
    load: async () => ({ run: (await credentials()).trail })
  },
  {
    words: ['chassis', 'slo', 'status'],
    operands: [],
    effect: 'reads',
    summary: 'what of its objectives each swarm keeps, and each sandbox that has some of its own',
    options: [...stateOptions, ...whoseOptions],
    load: async () => ({ run: (await slo()).status })
  },
  {
    words: ['chassis', 'slo', 'set'],
    operands: [],
    effect: 'changes',
    summary: 'change the objectives of a swarm or a sandbox',
    options: [
      ...stateOptions,
      ...whoseOptions,
      { name: 'availability', value: 'PCT', summary: 'least share of runs that the host carries to an end (default: 99)' },
      { name: 'latency', value: 'MS', summary: '99th percentile of the wall time of runs, at most (default: 10000)' },
      { name: 'errors', value: 'PCT', summary: 'most runs that end otherwise than by exit 0 (default: 5)' },
      { name: 'limits', value: 'PCT', summary: 'least share of runs within time, memory and host calls (default: 99)' },
      { name: 'budget', value: 'PCT', summary: 'least share of completed tasks that cost no more than estimated (default: 90)' },
      { name: 'window', value: 'MINUTES', summary: 'over which they are judged, at most 7 days (default: 60)' },
      { name: 'least', value: 'N', summary: 'fewer runs or tasks say nothing (default: 10)' }
    ],
    load: async () => ({ run: (await slo()).set })
  },
  {
    words: ['chassis', 'slo', 'violations'],
    operands: [],
    effect: 'reads',
    summary: 'objectives that were violated, and how long; each begun and ended one is in the ledger',
    options: [...stateOptions, { name: 'since', value: 'TIME', summary: 'ISO 8601, Unix seconds, or ago: 15m (default: 24h)' }],
    load: async () => ({ run: (await slo()).violations })
  },
  {
    words: ['chassis', 'slo', 'metrics'],
    operands: [],
    effect: 'reads',
    summary: 'objectives and reputations as text for Prometheus',
    options: stateOptions,
    load: async () => ({ run: (await slo()).metrics })
  },
  {
    words: ['chassis', 'reputation', 'score'],
    operands: ['<swarm>'],
    effect: 'reads',
    summary: 'how far a swarm can be relied on, 0 to 1, and what that rests on',
    options: [
      ...stateOptions,
      { name: 'check', summary: 'compute it from the ledger alone as well; exit code 1 when that differs' }
    ],
    load: async () => ({ run: (await reputation()).score })
  },
  {
    words: ['chassis', 'reputation', 'history'],
    operands: ['<swarm>'],
    effect: 'reads',
    summary: 'the score at the end of each day, the newest first',
    options: stateOptions,
    load: async () => ({ run: (await reputation()).history })
  }
]
