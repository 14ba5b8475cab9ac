import { type Command, dataOption, ledgerOption, registryOption } from '../command.ts'

/** Commands: IF.guard: rules, registry, keys, and certificates of experts. */
export const guardCommands: readonly Command[] = [
  {
    words: ['guard', 'explain'],
    operands: ['<trace-or-call-id>'],
    effect: 'reads',
    summary: 'which of the seven layers decided about a call, and why',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/guard/explain.ts')
  },
  {
    words: ['guard', 'replay'],
    operands: ['<trace-call-id-or-entry>'],
    effect: 'reads',
    summary: 'make a past decision again, from the facts and the rules of its receipt',
    options: [
      dataOption,
      ledgerOption,
      {
        name: 'policies',
        value: 'DIR',
        place: true,
        summary: 'folder of rules by their hash (default: policies in the data folder)'
      },
      { name: 'rules', value: 'FILE', path: true, summary: 'ask these rules instead: what they would have said' }
    ],
    load: () => import('../commands/guard/replay.ts')
  },
  {
    words: ['guard', 'policy', 'check'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'every problem of a rule file, with its line',
    options: [],
    load: () => import('../commands/guard/policy-check.ts')
  },
  {
    words: ['guard', 'policy', 'test'],
    operands: ['<table>'],
    effect: 'reads',
    paths: ['<table>'],
    summary: 'ask the rules about each row of a table of calls, YAML, and tell where they say something else than the row',
    options: [{ name: 'rules', value: 'FILE', path: true, summary: 'rules to ask (default: those of the suite)' }],
    load: () => import('../commands/guard/policy-test.ts')
  },
  {
    words: ['guard', 'policy', 'show'],
    operands: ['[hash]'],
    effect: 'reads',
    summary: 'the rules of the suite, or those that a receipt names',
    options: [
      dataOption,
      {
        name: 'policies',
        value: 'DIR',
        place: true,
        summary: 'folder of rules by their hash (default: policies in the data folder)'
      }
    ],
    load: () => import('../commands/guard/policy-show.ts')
  },
  {
    words: ['guard', 'registry', 'check'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'every problem of a registry file, with its line',
    options: [{ name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' }],
    load: () => import('../commands/guard/registry-check.ts')
  },
  {
    words: ['guard', 'registry', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'experts and Guardians of the registry',
    options: [
      dataOption,
      registryOption,
      { name: 'specialisation', value: 'HAZARD', summary: 'only experts called for it' },
      { name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' }
    ],
    load: () => import('../commands/guard/registry-list.ts')
  },
  {
    words: ['guard', 'keygen'],
    operands: [],
    effect: 'changes',
    summary: 'make an Ed25519 key pair for X-IF-Signature',
    options: [
      {
        name: 'out',
        value: 'FILE',
        required: true,
        path: true,
        forAgents: false,
        summary: 'new file for the private key (PEM, mode 0600)'
      }
    ],
    load: () => import('../commands/guard/keygen.ts')
  },
  {
    words: ['guard', 'sign'],
    operands: [],
    effect: 'changes',
    summary: 'make the X-IF-Signature of a request, for testers',
    options: [
      { name: 'key', value: 'FILE', required: true, path: true, summary: 'private key, PEM' },
      { name: 'from', value: 'URI', required: true, summary: 'URI of the From header, as it will be sent' },
      { name: 'to', value: 'URI', required: true, summary: 'URI of the To header, as it will be sent' },
      { name: 'call-id', value: 'ID', required: true, summary: 'Call-ID' },
      { name: 'cseq', value: 'N', summary: 'CSeq number (default 1)' },
      { name: 'method', value: 'NAME', summary: 'method (default INVITE)' },
      { name: 'trace', value: 'ID', summary: 'X-IF-Trace-ID, when the request has one' },
      { name: 'hazard', value: 'NAME', summary: 'X-IF-Hazard or the hazard dialled, when there is one' },
      { name: 'body', value: 'FILE', path: true, summary: 'body of the request, - for stdin (default: none)' },
      { name: 'at', value: 'TIME', summary: 'Unix seconds or ISO 8601 (default: now)' },
      { name: 'nonce', value: 'TEXT', summary: 'base64url of 16 to 64 bytes (default: fresh)' }
    ],
    load: () => import('../commands/guard/sign.ts')
  },
  {
    words: ['expert', 'invite'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'issue a short-lived client certificate to an expert of the registry, with profile and QR code for the phone',
    options: [
      dataOption,
      ledgerOption,
      registryOption,
      { name: 'days', value: 'N', summary: 'days it is good for, 1 to 397 (default 30)' },
      { name: 'server', value: 'HOST:PORT', summary: 'where the phone finds the edge, TLS (default 127.0.0.1:5061)' },
      { name: 'out', value: 'DIR', path: true, forAgents: false, summary: 'new folder for the profile (default: invite-ID)' },
      {
        name: 'ca',
        value: 'FILE',
        path: true,
        summary: 'authority of the server certificate, PEM (default: that of the data folder)'
      },
      { name: 'realm', value: 'NAME', summary: 'digest realm where no credentials are kept here (default: infrafabric)' },
      { name: 'srtp', summary: 'the phone is to encrypt sound' },
      { name: 'qr', summary: 'show the QR code here, too' },
      { name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' }
    ],
    load: () => import('../commands/expert/invite.ts')
  },
  {
    words: ['expert', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'client certificates that are good: whose, until when',
    options: [dataOption, { name: 'all', summary: 'expired and revoked ones, too' }],
    load: () => import('../commands/expert/list.ts')
  },
  {
    words: ['expert', 'revoke'],
    operands: ['<id-or-serial>'],
    effect: 'changes',
    summary: 'revoke the client certificates of an expert, or one; open connections are refused, too',
    options: [dataOption, ledgerOption, { name: 'reason', value: 'TEXT', summary: 'why, for the record' }],
    load: () => import('../commands/expert/revoke.ts')
  }
]
