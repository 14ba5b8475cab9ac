import { type Command, dataOption, filterOptions, ledgerOption, ratesOption } from '../command.ts'

/** Commands: the witness ledger. */
export const witnessCommands: readonly Command[] = [
  {
    words: ['witness', 'log'],
    operands: [],
    effect: 'changes',
    summary: 'write one entry',
    options: [
      dataOption,
      ledgerOption,
      { name: 'event', value: 'NAME', required: true, summary: 'what happened' },
      { name: 'component', value: 'NAME', required: true, summary: 'who saw it' },
      { name: 'trace', value: 'ID', summary: 'trace (default: a new one, with --key one that follows from it)' },
      { name: 'parent', value: 'ID', summary: 'trace under which this one hangs' },
      { name: 'payload', value: 'JSON', summary: 'facts, an object; - reads stdin (default: {})' },
      {
        name: 'erasable',
        value: 'JSON',
        summary: 'facts kept beside the ledger, to be erased one day; it holds a salted hash of them'
      },
      { name: 'tokens-in', value: 'N', summary: 'tokens read by a model' },
      { name: 'tokens-out', value: 'N', summary: 'tokens written by it' },
      { name: 'cost', value: 'USD', summary: 'exact decimal' },
      { name: 'model', value: 'NAME', summary: 'name of the model' },
      {
        name: 'key',
        value: 'TEXT',
        summary: 'idempotency key: the same key writes one entry, however often, and no other (default: none)'
      },
      { name: 'create', summary: 'make the ledger when it is not there' },
      { name: 'origin', value: 'NAME', summary: 'with --create: name of the log, a domain and a path' }
    ],
    load: () => import('../commands/witness/log.ts')
  },
  {
    words: ['witness', 'query'],
    operands: [],
    effect: 'reads',
    summary: 'entries that meet every condition, in the order of the ledger',
    options: [
      dataOption,
      ledgerOption,
      ...filterOptions,
      { name: 'follow', summary: 'go on with entries as they come, until SIGINT' }
    ],
    load: () => import('../commands/witness/query.ts')
  },
  {
    words: ['witness', 'trace'],
    operands: ['<trace>'],
    effect: 'reads',
    summary: 'timeline of a trace and the traces under it: seconds since it began and since the entry before',
    options: [
      dataOption,
      ledgerOption,
      {
        name: 'time',
        value: 'FORM',
        values: ['offset', 'utc', 'local'],
        summary: 'offset (default), or time of day: utc or local'
      },
      { name: 'follow', summary: 'go on with entries as they come, until SIGINT' }
    ],
    load: () => import('../commands/witness/trace.ts')
  },
  {
    words: ['witness', 'verify'],
    operands: ['[bundle]'],
    effect: 'reads',
    paths: ['[bundle]'],
    summary:
      'check every entry, the chain and the signed heads, of the ledger or of an evidence bundle; each verdict has its exit code',
    options: [
      dataOption,
      ledgerOption,
      {
        name: 'vkey',
        value: 'KEY',
        path: true,
        summary: 'public key of the log, or a file with it (default: the one beside the ledger)'
      },
      {
        name: 'checkpoint',
        value: 'FILE',
        path: true,
        summary: 'checkpoint kept from earlier, - for stdin: shows truncation and forks'
      },
      { name: 'policy', value: 'FILE', path: true, summary: 'witnesses whose quorum must have cosigned (C2SP tlog-policy)' },
      { name: 'all', summary: 'as well the form of every entry, gaps in calls, and all that lies beside the log' },
      {
        name: 'producers',
        value: 'FILE',
        path: true,
        summary:
          'as --all, and the signatures of producers: a public key a line, behind it the components that only it speaks for'
      },
      {
        name: 'accounting',
        value: 'FILE',
        path: true,
        summary: 'accounting.jsonl of the edge: shows calls that were not recorded'
      },
      {
        name: 'state',
        value: 'FILE',
        forAgents: false,
        path: true,
        summary: 'go on from the state kept here, and keep the new one: what it covers is not read again'
      }
    ],
    load: () => import('../commands/witness/verify.ts')
  },
  {
    words: ['witness', 'key'],
    operands: [],
    effect: 'reads',
    summary: 'public key of the ledger, for auditors to keep',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/witness/key.ts')
  },
  {
    words: ['witness', 'serve'],
    operands: [],
    effect: 'changes',
    summary: 'serve the ledger over HTTP to producers and auditors, in the foreground until SIGINT or SIGTERM',
    options: [
      dataOption,
      ledgerOption,
      ratesOption,
      { name: 'listen', value: 'ADDR:PORT', summary: 'default 127.0.0.1:8620; beyond loopback only with a certificate' },
      { name: 'cert', value: 'FILE', path: true, summary: 'certificate, PEM' },
      { name: 'key', value: 'FILE', path: true, summary: 'its key, PEM' },
      { name: 'read-only', summary: 'take nothing from producers' }
    ],
    load: () => import('../commands/witness/serve.ts')
  },
  {
    words: ['witness', 'token', 'add'],
    operands: ['<name>'],
    effect: 'changes',
    summary: 'make a bearer token of the service, shown this once; idempotency keys belong to its name',
    options: [
      dataOption,
      ledgerOption,
      {
        name: 'role',
        value: 'ROLE',
        required: true,
        values: ['producer', 'auditor', 'escalator', 'admin'],
        summary: 'producer, auditor, escalator or admin'
      }
    ],
    load: () => import('../commands/witness/token-add.ts')
  },
  {
    words: ['witness', 'token', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'tokens there are, without the tokens themselves',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/witness/token-list.ts')
  },
  {
    words: ['witness', 'token', 'revoke'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'end a token; a running service knows within a second',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/witness/token-revoke.ts')
  },
  {
    words: ['witness', 'checkpoint'],
    operands: [],
    effect: 'reads',
    summary: 'latest signed checkpoint, to keep elsewhere and verify against later',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/witness/checkpoint.ts')
  },
  {
    words: ['witness', 'prove'],
    operands: ['[entry]'],
    effect: 'reads',
    summary: 'proof that an entry is in the log, as one text that is checked offline; --check checks one',
    options: [
      dataOption,
      ledgerOption,
      { name: 'out', value: 'FILE', path: true, forAgents: false, summary: 'where the proof goes (default: stdout)' },
      {
        name: 'policy',
        value: 'FILE',
        path: true,
        summary: 'who must have cosigned the head (default for making: the one in the ledger folder)'
      },
      { name: 'check', value: 'FILE', path: true, summary: 'check this proof, - for stdin; needs no ledger' },
      { name: 'vkey', value: 'KEY', path: true, summary: 'with --check: public key of the log, or a file with it' },
      { name: 'leaf', value: 'FILE', path: true, summary: 'with --check: octets of the entry (default: those the proof brings)' }
    ],
    load: () => import('../commands/witness/prove.ts')
  },
  {
    words: ['witness', 'export'],
    operands: [],
    effect: 'reads',
    summary: 'entries as JSON Lines, CSV or PDF, or as an evidence bundle that is checked without this machine',
    options: [
      dataOption,
      ledgerOption,
      {
        name: 'format',
        value: 'FORM',
        required: true,
        values: ['json', 'csv', 'pdf', 'bundle'],
        summary: 'json, csv, pdf or bundle'
      },
      { name: 'out', value: 'FILE', path: true, forAgents: false, summary: 'new file; - or left out: stdout, for json and csv' },
      ...filterOptions,
      { name: 'force', forAgents: false, summary: 'replace the file where it is there' },
      {
        name: 'with-payloads',
        forAgents: false,
        summary: 'as well the payloads that lie beside the ledger and may have to be erased'
      },
      { name: 'unwitnessed', summary: 'up to the newest entry, though no quorum has cosigned a head over it' },
      ratesOption
    ],
    load: () => import('../commands/witness/export.ts')
  },
  {
    words: ['witness', 'import'],
    operands: ['<bundle>'],
    effect: 'changes',
    paths: ['<bundle>'],
    summary: 'check all of an evidence bundle, then take it into a folder, to be read with --ledger',
    options: [
      { name: 'into', value: 'DIR', required: true, path: true, summary: 'folder that is not there yet, or empty' },
      {
        name: 'vkey',
        value: 'KEY',
        path: true,
        summary: 'public key of the log, or a file with it (default: the one in the bundle)'
      },
      { name: 'policy', value: 'FILE', path: true, summary: 'witnesses whose quorum must have cosigned (C2SP tlog-policy)' },
      {
        name: 'checkpoint',
        value: 'FILE',
        path: true,
        summary: 'checkpoint kept from elsewhere, - for stdin: shows truncation and forks'
      }
    ],
    load: () => import('../commands/witness/import.ts')
  },
  {
    words: ['witness', 'cosign'],
    operands: [],
    effect: 'changes',
    summary: 'be the witness of a Guardian seat: sign heads of a log that follow from the last one signed, and no other',
    options: [
      { name: 'key', value: 'FILE', required: true, path: true, summary: 'private key of the seat, PEM' },
      { name: 'name', value: 'NAME', required: true, summary: 'name of the seat in its signatures, a domain and a path' },
      {
        name: 'state',
        value: 'FILE',
        required: true,
        path: true,
        summary: 'what the seat has signed last; never restore an old copy of it'
      },
      { name: 'create', summary: 'make key and state where they are not there' },
      { name: 'vkey', value: 'KEY', required: true, path: true, summary: 'public key of the log, or a file with one a line' },
      { name: 'serve', value: 'ADDR:PORT', summary: 'answer the log over HTTP (C2SP tlog-witness), in the foreground' },
      {
        name: 'log',
        value: 'URL',
        summary: 'sign the head of the log served there, with a proof made of its tiles, and bring it back'
      },
      { name: 'every', value: 'SECONDS', summary: 'with --log: again and again, in the foreground' },
      { name: 'out', value: 'FILE', path: true, forAgents: false, summary: 'with --log: keep the cosigned head here' },
      { name: 'checkpoint', value: 'FILE', path: true, summary: 'sign this one head by hand, - for stdin' },
      { name: 'ledger', value: 'DIR', place: true, summary: 'with --checkpoint: ledger to make the proof from' }
    ],
    load: () => import('../commands/witness/cosign.ts')
  },
  {
    words: ['witness', 'rotate-key'],
    operands: [],
    effect: 'changes',
    summary: 'let a new signing key take over: told in the log, under a head that both keys sign',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/witness/rotate-key.ts')
  },
  {
    words: ['witness', 'erase'],
    operands: [],
    effect: 'changes',
    summary: 'erase the payload beside an entry; the entry and its proofs stay',
    options: [
      dataOption,
      ledgerOption,
      { name: 'entry', value: 'N', summary: 'number of the entry' },
      { name: 'reason', value: 'TEXT', required: true, summary: 'why, for the log' },
      { name: 'spool', value: 'DIR', place: true, summary: 'spool to look through (default: spool in the data folder)' }
    ],
    load: () => import('../commands/witness/erase.ts')
  },
  {
    words: ['witness', 'cost'],
    operands: [],
    effect: 'reads',
    summary: 'what was spent, in exact decimals: as entries tell it, else by their tokens',
    options: [
      dataOption,
      ledgerOption,
      ratesOption,
      { name: 'trace', value: 'ID', summary: 'by this trace and those under it' },
      {
        name: 'group-by',
        value: 'WHAT',
        values: ['component', 'model', 'day', 'trace'],
        summary: 'component (default), model, day or trace; a trace holds those under it'
      }
    ],
    load: () => import('../commands/witness/cost.ts')
  }
]
