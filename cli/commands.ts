import { type Command, dataOption, registryOption } from './command.ts'

/** Every command, in the order of the help. Nothing is loaded before it is asked for. */
export const commands: readonly Command[] = [
  {
    words: ['up'],
    operands: [],
    summary: 'run the whole suite in the foreground until SIGINT or SIGTERM',
    options: [dataOption, { name: 'config', value: 'FILE', summary: 'configuration of the suite, YAML' }],
    load: () => import('./commands/up.ts')
  },
  {
    words: ['guard', 'explain'],
    operands: ['<trace-or-call-id>'],
    summary: 'which of the seven layers decided about a call, and why',
    options: [dataOption],
    load: () => import('./commands/guard-explain.ts')
  },
  {
    words: ['guard', 'registry', 'check'],
    operands: ['<file>'],
    summary: 'every problem of a registry file, with its line',
    options: [{ name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' }],
    load: () => import('./commands/guard-registry-check.ts')
  },
  {
    words: ['guard', 'registry', 'list'],
    operands: [],
    summary: 'experts and Guardians of the registry',
    options: [
      dataOption,
      registryOption,
      { name: 'specialisation', value: 'HAZARD', summary: 'only experts called for it' },
      { name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' }
    ],
    load: () => import('./commands/guard-registry-list.ts')
  },
  {
    words: ['guard', 'keygen'],
    operands: [],
    summary: 'make an Ed25519 key pair for X-IF-Signature',
    options: [{ name: 'out', value: 'FILE', summary: 'new file for the private key (PEM, mode 0600)' }],
    load: () => import('./commands/guard-keygen.ts')
  },
  {
    words: ['guard', 'sign'],
    operands: [],
    summary: 'make the X-IF-Signature of a request, for testers',
    options: [
      { name: 'key', value: 'FILE', summary: 'private key, PEM' },
      { name: 'from', value: 'URI', summary: 'URI of the From header, as it will be sent' },
      { name: 'to', value: 'URI', summary: 'URI of the To header, as it will be sent' },
      { name: 'call-id', value: 'ID', summary: 'Call-ID' },
      { name: 'cseq', value: 'N', summary: 'CSeq number (default 1)' },
      { name: 'method', value: 'NAME', summary: 'method (default INVITE)' },
      { name: 'trace', value: 'ID', summary: 'X-IF-Trace-ID, when the request has one' },
      { name: 'hazard', value: 'NAME', summary: 'X-IF-Hazard or the hazard dialled, when there is one' },
      { name: 'body', value: 'FILE', summary: 'body of the request, - for stdin (default: none)' },
      { name: 'at', value: 'TIME', summary: 'Unix seconds or ISO 8601 (default: now)' },
      { name: 'nonce', value: 'TEXT', summary: 'base64url of 16 to 64 bytes (default: fresh)' }
    ],
    load: () => import('./commands/guard-sign.ts')
  }
]
