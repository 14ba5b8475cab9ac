import { type Command, dataOption, ledgerOption, recordingsOption } from '../command.ts'

/** Commands: recordings. */
export const recordingCommands: readonly Command[] = [
  {
    words: ['recording', 'status'],
    operands: [],
    effect: 'reads',
    summary: 'what the running suite records, and who has agreed',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/recording/control.ts')).status })
  },
  {
    words: ['recording', 'start'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'have the running suite record a conference: who agrees is recorded',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/recording/control.ts')).start })
  },
  {
    words: ['recording', 'stop'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'have the running suite end a recording',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/recording/control.ts')).stop })
  },
  {
    words: ['recording', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'recordings there are: state, length, gaps, who is in them',
    options: [dataOption, recordingsOption],
    load: () => import('../commands/recording/list.ts')
  },
  {
    words: ['recording', 'export'],
    operands: ['<recording>'],
    effect: 'changes',
    summary: 'a recording as one WAV file with a channel for each track, or as a signed vCon with its proofs',
    options: [
      dataOption,
      ledgerOption,
      recordingsOption,
      { name: 'format', value: 'FORMAT', required: true, values: ['wav', 'vcon'], summary: 'wav or vcon' },
      {
        name: 'out',
        value: 'FILE',
        required: true,
        path: true,
        forAgents: false,
        summary: 'where it goes; must not be there yet'
      },
      {
        name: 'url',
        value: 'URL',
        summary: 'vcon: https address of a folder that has the files (default: they stand in the vCon)'
      },
      { name: 'domain', value: 'HOST', summary: 'vcon: in whose name its uuid is made (default: host of --url)' },
      {
        name: 'policy',
        value: 'FILE',
        path: true,
        summary: 'vcon: who must have cosigned the heads of its proofs (C2SP tlog-policy)'
      },
      { name: 'unsigned', summary: 'vcon: without a signature' }
    ],
    load: () => import('../commands/recording/export.ts')
  },
  {
    words: ['recording', 'excerpt'],
    operands: ['<recording>'],
    effect: 'changes',
    summary: 'some seconds of a recording: their sound, their packets and what proves them, without the rest',
    options: [
      dataOption,
      ledgerOption,
      recordingsOption,
      { name: 'from', value: 'SECOND', summary: 'first second, from 0 (default: the first)' },
      { name: 'to', value: 'SECOND', summary: 'last second, inclusive (default: the last)' },
      { name: 'out', value: 'DIR', required: true, path: true, forAgents: false, summary: 'folder that is not there yet' },
      { name: 'policy', value: 'FILE', path: true, summary: 'who must have cosigned the heads of its proofs (C2SP tlog-policy)' }
    ],
    load: () => import('../commands/recording/excerpt.ts')
  },
  {
    words: ['recording', 'verify'],
    operands: ['<recording>'],
    effect: 'reads',
    paths: ['<recording>'],
    summary: 'whether a recording is what the ledger says; of an excerpt or a signed vCon also without the ledger, by --vkey',
    options: [
      dataOption,
      ledgerOption,
      recordingsOption,
      {
        name: 'vkey',
        value: 'KEY',
        path: true,
        summary: 'public key of the log, or a file with it (default: the one beside the ledger)'
      },
      {
        name: 'files',
        value: 'DIR',
        path: true,
        summary: 'of a vCon: folder with the files that it refers to, to be checked too'
      },
      { name: 'policy', value: 'FILE', path: true, summary: 'witnesses whose quorum must have cosigned (C2SP tlog-policy)' }
    ],
    load: () => import('../commands/recording/verify.ts')
  }
]
