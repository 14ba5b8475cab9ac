import { type Command, dataOption, ledgerOption, ratesOption, recordingsOption, registryOption } from './command.ts'
import { chassisCommands } from './definitions/chassis.ts'
import { conferenceCommands } from './definitions/conference.ts'
import { coordinatorCommands, storeOption } from './definitions/coordinator.ts'
import { councilCommands } from './definitions/council.ts'
import { escalateCommands } from './definitions/escalate.ts'
import { governorCommands } from './definitions/governor.ts'
import { guardCommands } from './definitions/guard.ts'
import { h323Commands } from './definitions/h323.ts'
import { ndiCommands } from './definitions/ndi.ts'
import { optimiseCommands } from './definitions/optimise.ts'
import { recordingCommands } from './definitions/recording.ts'
import { witnessCommands } from './definitions/witness.ts'

/** Every command, in the order of the help. Nothing is loaded before it is asked for. */
export const commands: readonly Command[] = [
  {
    words: ['up'],
    operands: [],
    effect: 'changes',
    summary: 'run the whole suite in the foreground until SIGINT or SIGTERM',
    options: [dataOption, { name: 'config', value: 'FILE', path: true, summary: 'configuration of the suite, YAML' }],
    load: () => import('./commands/up.ts')
  },
  {
    words: ['edge'],
    operands: [],
    effect: 'changes',
    summary: 'run Kamailio alone in the foreground, for application servers elsewhere, until SIGINT or SIGTERM',
    options: [dataOption, { name: 'config', value: 'FILE', path: true, summary: 'configuration of the suite, with edgeServer' }],
    load: () => import('./commands/edge.ts')
  },
  {
    words: ['sip-server'],
    operands: [],
    effect: 'changes',
    summary: 'run the SIP server alone in the foreground, for drachtio-srf applications, until SIGINT or SIGTERM',
    options: [
      { name: 'config', value: 'FILE', path: true, summary: 'settings, YAML; SIGHUP reads them again' },
      { name: 'listen', value: 'LIST', summary: 'where SIP is taken, by comma, in place of the file: udp:127.0.0.1:5060' },
      { name: 'admin', value: 'ADDR:PORT', summary: 'where applications connect, in place of the file: 127.0.0.1:9022' },
      { name: 'secret-file', value: 'FILE', path: true, summary: 'file with the secret of applications in its first line' },
      { name: 'check', summary: 'only tell every problem of the settings' }
    ],
    load: () => import('./commands/sip-server.ts')
  },
  {
    words: ['sip-server', 'import'],
    operands: ['<drachtio.conf.xml>'],
    effect: 'reads',
    paths: ['<drachtio.conf.xml>'],
    summary: 'settings made of the configuration of a drachtio-server, with a note on everything not taken over',
    options: [{ name: 'address', value: 'ADDR', summary: 'address of this host, where the file listens on *' }],
    load: () => import('./commands/sip-server-import.ts')
  },
  ...escalateCommands,
  ...conferenceCommands,
  ...h323Commands,
  ...ndiCommands,
  ...guardCommands,
  ...witnessCommands,
  ...councilCommands,
  ...recordingCommands,
  ...optimiseCommands,
  ...coordinatorCommands,
  ...governorCommands,
  ...chassisCommands,
  {
    words: ['completion'],
    operands: ['<shell>'],
    effect: 'reads',
    forAgents: false,
    operandValues: ['bash', 'zsh', 'fish'],
    summary: 'the script by which a shell completes commands, options and values',
    options: [],
    load: () => import('./commands/completion.ts')
  },
  {
    words: ['mcp'],
    operands: [],
    effect: 'changes',
    summary:
      'serve the commands that only read, and the safe ones, to an AI agent as tools (Model Context Protocol, stdin and stdout)',
    options: [
      dataOption,
      ledgerOption,
      storeOption,
      registryOption,
      recordingsOption,
      ratesOption,
      {
        name: 'files',
        value: 'DIR',
        path: true,
        summary: 'folder of the files that the agent may name (default: it may name none)'
      },
      { name: 'read-only', summary: 'only the commands that change nothing' },
      { name: 'timeout', value: 'S', summary: 'seconds after which a command is ended, 1 to 600 (default: 60)' }
    ],
    load: () => import('./commands/mcp.ts')
  }
]
