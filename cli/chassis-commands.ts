import type { Option } from './arguments.ts'
import type { Command } from './command.ts'
import { stateOptions } from './coordinator-commands.ts'

const limitOptions: readonly Option[] = [
  { name: 'cpu', value: 'PERCENT', summary: 'share of one processor, 1 to 100' },
  { name: 'memory', value: 'MB', summary: 'linear memory, MiB, 1 to 1024' },
  { name: 'deadline', value: 'S', summary: 'seconds after which a run is killed, 1 to 3600' }
]

const sandboxes = () => import('./commands/chassis-sandbox.ts')
const resources = () => import('./commands/chassis-resources.ts')
const credentials = () => import('./commands/chassis-credentials.ts')

export const chassisCommands: readonly Command[] = [
  {
    words: ['chassis', 'sandbox', 'create'],
    operands: ['<sandbox>'],
    summary: 'make a sandbox for a WebAssembly command (WASI preview 1)',
    options: [
      ...stateOptions,
      { name: 'swarm', value: 'ID', summary: 'whose code it is for' },
      { name: 'wasm', value: 'FILE', summary: 'the module' },
      { name: 'trace', value: 'ID', summary: 'trace of the task it is for (default: a new one)' },
      { name: 'read-only', value: 'LIST', summary: 'directories that it may read, by comma: /data=DIR' },
      { name: 'read-write', value: 'LIST', summary: 'directories that it may change too, by comma: /out=DIR' },
      ...limitOptions
    ],
    load: async () => ({ run: (await sandboxes()).create })
  },
  {
    words: ['chassis', 'sandbox', 'list'],
    operands: [],
    summary: 'sandboxes there are',
    options: [...stateOptions, { name: 'status', value: 'STATE', summary: 'created, running or stopped' }],
    load: async () => ({ run: (await sandboxes()).list })
  },
  {
    words: ['chassis', 'sandbox', 'start'],
    operands: ['<sandbox>'],
    summary: 'run its module here to its end; what it prints goes to stdout and stderr',
    options: [
      ...stateOptions,
      { name: 'input', value: 'FILE', summary: 'its standard input, at most 1 MiB; - for stdin' },
      { name: 'args', value: 'LIST', summary: 'its arguments, by comma' },
      { name: 'out', value: 'FILE', summary: 'where its output goes' }
    ],
    load: async () => ({ run: (await sandboxes()).start })
  },
  {
    words: ['chassis', 'sandbox', 'stop'],
    operands: ['<sandbox>'],
    summary: 'have its run killed, whichever process runs it',
    options: stateOptions,
    load: async () => ({ run: (await sandboxes()).stop })
  },
  {
    words: ['chassis', 'sandbox', 'destroy'],
    operands: ['<sandbox>'],
    summary: 'remove a sandbox with its log and its grants; its audit trail stays',
    options: stateOptions,
    load: async () => ({ run: (await sandboxes()).destroy })
  },
  {
    words: ['chassis', 'sandbox', 'logs'],
    operands: ['<sandbox>'],
    summary: 'what its runs printed',
    options: [...stateOptions, { name: 'follow', summary: 'then go on as it comes, until SIGINT' }],
    load: async () => ({ run: (await sandboxes()).logs })
  },
  {
    words: ['chassis', 'resources', 'limits'],
    operands: ['[sandbox]'],
    summary: 'what runs of a sandbox may use; without one, the default',
    options: stateOptions,
    load: async () => ({ run: (await resources()).limits })
  },
  {
    words: ['chassis', 'resources', 'usage'],
    operands: ['[sandbox]'],
    summary: 'what runs have used',
    options: [...stateOptions, { name: 'follow', summary: 'go on with runs as they end, until SIGINT' }],
    load: async () => ({ run: (await resources()).usage })
  },
  {
    words: ['chassis', 'resources', 'set'],
    operands: ['<sandbox>'],
    summary: 'change what runs may use, from the next start on',
    options: [...stateOptions, ...limitOptions],
    load: async () => ({ run: (await resources()).set })
  },
  {
    words: ['chassis', 'credentials', 'scope'],
    operands: ['<sandbox>'],
    summary: 'let a sandbox have a service used, without seeing its secret',
    options: [
      ...stateOptions,
      { name: 'allow', value: 'SERVICE', summary: 'a service of chassis/services.json in the data folder' },
      { name: 'minutes', value: 'N', summary: 'for how long, 1 to 1440 (default: 15)' },
      { name: 'uses', value: 'N', summary: 'how often at most, 1 to 10000 (default: 100)' }
    ],
    load: async () => ({ run: (await credentials()).scope })
  },
  {
    words: ['chassis', 'credentials', 'revoke'],
    operands: ['<sandbox>', '<grant>'],
    summary: 'take a grant back; the next use is refused',
    options: stateOptions,
    load: async () => ({ run: (await credentials()).revoke })
  },
  {
    words: ['chassis', 'credentials', 'audit'],
    operands: ['[sandbox]'],
    summary: 'grants there are, and what is left of them',
    options: stateOptions,
    load: async () => ({ run: (await credentials()).audit })
  },
  {
    words: ['chassis', 'audit', 'trail'],
    operands: ['<sandbox>'],
    summary: 'everything that was done with a sandbox, also after its end',
    options: [...stateOptions, { name: 'export', value: 'FORM', summary: 'json: one document' }],
    load: async () => ({ run: (await credentials()).trail })
  }
]
