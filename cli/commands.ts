import { chassisCommands } from './chassis-commands.ts'
import {
  type Command,
  dataOption,
  filterOptions,
  ledgerOption,
  ratesOption,
  recordingsOption,
  registryOption
} from './command.ts'
import { coordinatorCommands, storeOption } from './coordinator-commands.ts'
import { governorCommands } from './governor-commands.ts'

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
  {
    words: ['escalate'],
    operands: ['[hazard]'],
    effect: 'changes',
    operandValues: ['safety', 'alignment', 'ethics', 'bias', 'security', 'privacy'],
    summary: 'call an expert into a conference, and tell what becomes of it',
    options: [
      dataOption,
      {
        name: 'expert',
        value: 'ID',
        summary: 'the one expert to call (default: those of the specialisation, one after the other)'
      },
      { name: 'specialisation', value: 'HAZARD', summary: 'whose experts are called (default: those of the hazard)' },
      { name: 'conference', value: 'NAME', summary: 'where the expert is brought (default: council)' },
      { name: 'parallel', summary: 'ring all at once: who answers first is connected' },
      { name: 'contrarian', summary: 'call an expert who speaks against the prevailing view too' },
      { name: 'evidence', value: 'FILES', path: true, summary: 'files for the council, by comma: named by their hashes' },
      { name: 'ndi-video', summary: 'evidence video for the expert, where there is any' },
      { name: 'summary', value: 'TEXT', summary: 'what it is about; recorded by its hash' },
      { name: 'ring-timeout', value: 'S', summary: 'seconds for which each expert is rung' },
      { name: 'sender', value: 'NAME', summary: 'who raises the hazard (default: ifctl)' },
      { name: 'trace', value: 'ID', summary: 'trace under which all is recorded (default: a new one)' },
      { name: 'key', value: 'TEXT', summary: 'idempotency key: the same key escalates once, however often' },
      { name: 'message', value: 'FILE', path: true, summary: 'an IFMessage in place of all of these, JSON; - reads stdin' },
      { name: 'follow', summary: 'go on until the call is over (default: until it is known what became of it)' },
      { name: 'detach', summary: 'only begin it' }
    ],
    load: () => import('./commands/escalate.ts')
  },
  {
    words: ['escalate', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'escalations that are open, and the last that ended',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).list })
  },
  {
    words: ['escalate', 'show'],
    operands: ['<id>'],
    effect: 'reads',
    summary: 'one escalation: its calls and what became of each',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).show })
  },
  {
    words: ['escalate', 'bridges'],
    operands: [],
    effect: 'reads',
    summary: 'what runs beside the calls of experts, called out or in: H.323, WebRTC, NDI, each with its state',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).bridges })
  },
  {
    words: ['escalate', 'retry'],
    operands: ['<id>', '<bridge>', '[target]'],
    effect: 'changes',
    summary: 'open a bridge anew that has FAILED; the id is that of the escalation, or the trace of the call',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).retry })
  },
  {
    words: ['escalate', 'hold'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'put who has answered on hold: the council speaks among itself',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).hold })
  },
  {
    words: ['escalate', 'resume'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'end the hold',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).resume })
  },
  {
    words: ['escalate', 'cancel'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'cancel what rings, hang up on who has answered',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/escalate.ts')).cancel })
  },
  {
    words: ['h323', 'decode'],
    operands: ['<file-or-hex>'],
    effect: 'reads',
    paths: ['<file-or-hex>'],
    summary: 'the H.323 in a capture (pcap, pcapng), a file or hex text, message by message, readably',
    options: [
      {
        name: 'as',
        value: 'KIND',
        values: ['ras', 'q931', 'h245', 'uuie', 'olc'],
        summary: 'kind of octets that are no capture: ras, q931, h245, uuie or olc (default: guessed)'
      },
      { name: 'secrets', forAgents: false, summary: 'show tokens and passwords too' }
    ],
    load: () => import('./commands/h323-decode.ts')
  },
  {
    words: ['h323', 'dial'],
    operands: ['<alias-or-address>'],
    effect: 'changes',
    summary: 'call an H.323 terminal, play a tone or a file to it, and tell what happens',
    options: [
      { name: 'gatekeeper', value: 'ADDR:PORT', summary: 'register there first; without one the operand is an address' },
      { name: 'alias', value: 'LIST', summary: 'own names and numbers, by comma (default: ifctl)' },
      { name: 'user', value: 'NAME', summary: 'account at the gatekeeper (default: the first alias)' },
      { name: 'password-file', value: 'FILE', path: true, summary: 'file with its password in the first line (H.235.1)' },
      { name: 'listen', value: 'ADDR', summary: 'own address, for signalling and sound (default: 127.0.0.1)' },
      { name: 'port', value: 'N', summary: 'TCP port of call signalling (default: a free one)' },
      { name: 'ports', value: 'MIN-MAX', summary: 'UDP ports of sound (default: 30000-30999)' },
      { name: 'play', value: 'FILE', path: true, summary: 'WAV file that is played over and over' },
      { name: 'tone', value: 'HZ', summary: 'tone that is played where there is no file (default: 440)' },
      { name: 'digits', value: 'DIGITS', summary: 'keys pressed once the call is answered' },
      { name: 'seconds', value: 'N', summary: 'hang up so long after the answer (default: 5)' },
      { name: 'wait', value: 'N', summary: 'seconds that the registration may take (default: 10)' },
      { name: 'slow-start', summary: 'without fast connect' },
      { name: 'separate-h245', summary: 'H.245 on a connection of its own, not tunnelled' },
      { name: 'early-h245', summary: 'H.245 before the call is answered' },
      { name: 'trace', value: 'ID', summary: 'trace id of the call, which becomes its call identifier (default: a new one)' },
      { name: 'verbose', summary: 'log what is done, to stderr' }
    ],
    load: () => import('./commands/h323-dial.ts')
  },
  {
    words: ['h323', 'endpoints'],
    operands: [],
    effect: 'reads',
    summary: 'endpoints registered with the gatekeeper of the running suite',
    options: [dataOption],
    load: () => import('./commands/h323-endpoints.ts')
  },
  {
    words: ['h323', 'calls'],
    operands: [],
    effect: 'reads',
    summary: 'calls that the gatekeeper of the running suite has admitted',
    options: [
      dataOption,
      { name: 'drop', value: 'CALL', forAgents: false, summary: 'ask the endpoints of this call to leave it, instead' }
    ],
    load: () => import('./commands/h323-calls.ts')
  },
  {
    words: ['h323', 'conference', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'conferences of the running suite',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).list })
  },
  {
    words: ['h323', 'conference', 'show'],
    operands: ['<conference>'],
    effect: 'reads',
    summary: 'who is in a conference: terminals, telephones and browsers',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).show })
  },
  {
    words: ['h323', 'conference', 'invite'],
    operands: ['<conference>', '<alias>'],
    effect: 'changes',
    summary: 'call an H.323 terminal into a conference',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).invite })
  },
  {
    words: ['h323', 'conference', 'mute'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'let nobody hear a participant',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).mute })
  },
  {
    words: ['h323', 'conference', 'unmute'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'let a participant be heard again',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).unmute })
  },
  {
    words: ['h323', 'conference', 'drop'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'end a terminal’s call',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).drop })
  },
  {
    words: ['h323', 'conference', 'lock'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'let nobody else join',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).lock })
  },
  {
    words: ['h323', 'conference', 'unlock'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'let others join again',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).unlock })
  },
  {
    words: ['h323', 'conference', 'withdraw-chair'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'take the token of the chair from the terminal that has it',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/h323-conference.ts')).withdrawChair })
  },
  {
    words: ['ndi', 'find'],
    operands: [],
    effect: 'reads',
    openWorld: true,
    summary: 'NDI sources that are on the air',
    options: [
      { name: 'address', value: 'LIST', forAgents: false, summary: 'addresses to ask beside multicast DNS, by comma' },
      { name: 'groups', value: 'LIST', summary: 'groups to look at, by comma (default: public)' },
      { name: 'seconds', value: 'N', summary: 'how long to look (default: 3)' }
    ],
    load: () => import('./commands/ndi-find.ts')
  },
  {
    words: ['ndi', 'send'],
    operands: ['<name>'],
    effect: 'changes',
    summary: 'put a test picture and a tone on the air; with --attest the ledger vouches for every frame',
    options: [
      dataOption,
      ledgerOption,
      { name: 'attest', summary: 'record roots of frames in the ledger and send them on the stream' },
      { name: 'trace', value: 'ID', summary: 'trace under which it is recorded (default: a new one)' },
      {
        name: 'height',
        value: 'N',
        values: ['480', '720', '1080'],
        summary: 'lines of the picture: 480, 720 or 1080 (default: 720)'
      },
      { name: 'rate', value: 'N', summary: 'frames a second (default: 30)' },
      { name: 'seconds', value: 'N', summary: 'how long (default: 10)' }
    ],
    load: () => import('./commands/ndi-send.ts')
  },
  {
    words: ['ndi', 'receive'],
    operands: ['<source>'],
    effect: 'reads',
    openWorld: true,
    summary: 'receive a source and tell what comes, second by second',
    options: [
      { name: 'address', value: 'LIST', forAgents: false, summary: 'addresses to ask beside multicast DNS, by comma' },
      { name: 'groups', value: 'LIST', summary: 'groups to look at, by comma (default: public)' },
      { name: 'seconds', value: 'N', summary: 'how long (default: 10)' }
    ],
    load: () => import('./commands/ndi-receive.ts')
  },
  {
    words: ['ndi', 'record'],
    operands: ['<source>'],
    effect: 'changes',
    summary: 'keep the pictures and the metadata of a source in a file, as they are received',
    options: [
      { name: 'out', value: 'FILE', required: true, path: true, forAgents: false, summary: 'new file' },
      { name: 'address', value: 'LIST', summary: 'addresses to ask beside multicast DNS, by comma' },
      { name: 'groups', value: 'LIST', summary: 'groups to look at, by comma (default: public)' },
      { name: 'seconds', value: 'N', summary: 'how long (default: 10)' }
    ],
    load: async () => ({ run: (await import('./commands/ndi-receive.ts')).record })
  },
  {
    words: ['ndi', 'verify'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'check each frame of a recorded stream against the ledger',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/ndi-verify.ts')
  },
  {
    words: ['ndi', 'ingest'],
    operands: ['<source>'],
    effect: 'changes',
    openWorld: true,
    summary: 'bring an NDI source into a conference of the running suite: * in its name stands for any text',
    options: [
      dataOption,
      { name: 'trace', value: 'ID', summary: 'trace of the call it belongs to' },
      { name: 'conference', value: 'NAME', summary: 'which one (default: that of the call, or council)' },
      { name: 'expert', value: 'ID', summary: 'whose picture it is (default: the expert of the call)' },
      {
        name: 'height',
        value: 'N',
        values: ['480', '720', '1080'],
        summary: 'lines of the picture: 480, 720 or 1080 (default: as configured)'
      },
      {
        name: 'codec',
        value: 'NAME',
        values: ['h264', 'h265'],
        summary: 'what the pictures are encoded by: h264, or h265 with --to (default: h264)'
      },
      { name: 'to', value: 'ADDRESS:PORT', summary: 'send the pictures there by RTP, in place of the conference' },
      { name: 'sound', summary: 'its sound is heard in the conference, too' }
    ],
    load: async () => ({ run: (await import('./commands/ndi-streams.ts')).ingest })
  },
  {
    words: ['ndi', 'publish'],
    operands: ['<conference>'],
    effect: 'changes',
    openWorld: true,
    summary: 'make a conference of the running suite an NDI source: who speaks, and the mix',
    options: [dataOption, { name: 'name', value: 'TEXT', summary: 'of the source (default: the conference)' }],
    load: async () => ({ run: (await import('./commands/ndi-streams.ts')).publish })
  },
  {
    words: ['ndi', 'streams'],
    operands: [],
    effect: 'reads',
    summary: 'sources that are in conferences of the running suite, and conferences that are sources',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/ndi-streams.ts')).streams })
  },
  {
    words: ['ndi', 'stop'],
    operands: ['<id-or-conference>'],
    effect: 'changes',
    summary: 'take a source out of its conference, or a conference off the air',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/ndi-streams.ts')).stop })
  },
  {
    words: ['guard', 'explain'],
    operands: ['<trace-or-call-id>'],
    effect: 'reads',
    summary: 'which of the seven layers decided about a call, and why',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/guard-explain.ts')
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
    load: () => import('./commands/guard-replay.ts')
  },
  {
    words: ['guard', 'policy', 'check'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'every problem of a rule file, with its line',
    options: [],
    load: () => import('./commands/guard-policy-check.ts')
  },
  {
    words: ['guard', 'policy', 'test'],
    operands: ['<table>'],
    effect: 'reads',
    paths: ['<table>'],
    summary: 'ask the rules about each row of a table of calls, YAML, and tell where they say something else than the row',
    options: [{ name: 'rules', value: 'FILE', path: true, summary: 'rules to ask (default: those of the suite)' }],
    load: () => import('./commands/guard-policy-test.ts')
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
    load: () => import('./commands/guard-policy-show.ts')
  },
  {
    words: ['guard', 'registry', 'check'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'every problem of a registry file, with its line',
    options: [{ name: 'hazards', value: 'LIST', summary: 'hazards there are, by comma (default: the six of the suite)' }],
    load: () => import('./commands/guard-registry-check.ts')
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
    load: () => import('./commands/guard-registry-list.ts')
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
    load: () => import('./commands/guard-keygen.ts')
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
    load: () => import('./commands/guard-sign.ts')
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
    load: () => import('./commands/expert-invite.ts')
  },
  {
    words: ['expert', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'client certificates that are good: whose, until when',
    options: [dataOption, { name: 'all', summary: 'expired and revoked ones, too' }],
    load: () => import('./commands/expert-list.ts')
  },
  {
    words: ['expert', 'revoke'],
    operands: ['<id-or-serial>'],
    effect: 'changes',
    summary: 'revoke the client certificates of an expert, or one; open connections are refused, too',
    options: [dataOption, ledgerOption, { name: 'reason', value: 'TEXT', summary: 'why, for the record' }],
    load: () => import('./commands/expert-revoke.ts')
  },
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
      { name: 'trace', value: 'ID', summary: 'trace (default: a new one)' },
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
      { name: 'key', value: 'TEXT', summary: 'idempotency key: the same key writes one entry, however often (default: none)' },
      { name: 'create', summary: 'make the ledger when it is not there' },
      { name: 'origin', value: 'NAME', summary: 'with --create: name of the log, a domain and a path' }
    ],
    load: () => import('./commands/witness-log.ts')
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
    load: () => import('./commands/witness-query.ts')
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
    load: () => import('./commands/witness-trace.ts')
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
    load: () => import('./commands/witness-verify.ts')
  },
  {
    words: ['witness', 'key'],
    operands: [],
    effect: 'reads',
    summary: 'public key of the ledger, for auditors to keep',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/witness-key.ts')
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
    load: () => import('./commands/witness-serve.ts')
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
    load: () => import('./commands/witness-token-add.ts')
  },
  {
    words: ['witness', 'token', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'tokens there are, without the tokens themselves',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/witness-token-list.ts')
  },
  {
    words: ['witness', 'token', 'revoke'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'end a token; a running service knows within a second',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/witness-token-revoke.ts')
  },
  {
    words: ['witness', 'checkpoint'],
    operands: [],
    effect: 'reads',
    summary: 'latest signed checkpoint, to keep elsewhere and verify against later',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/witness-checkpoint.ts')
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
    load: () => import('./commands/witness-prove.ts')
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
    load: () => import('./commands/witness-export.ts')
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
    load: () => import('./commands/witness-import.ts')
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
    load: () => import('./commands/witness-cosign.ts')
  },
  {
    words: ['witness', 'rotate-key'],
    operands: [],
    effect: 'changes',
    summary: 'let a new signing key take over: told in the log, under a head that both keys sign',
    options: [dataOption, ledgerOption],
    load: () => import('./commands/witness-rotate-key.ts')
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
    load: () => import('./commands/witness-erase.ts')
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
    load: () => import('./commands/witness-cost.ts')
  },
  {
    words: ['evidence', 'share'],
    operands: ['<file>'],
    effect: 'changes',
    paths: ['<file>'],
    summary: 'shares a file with everybody in the conference of a call',
    options: [
      dataOption,
      { name: 'trace', value: 'ID', required: true, summary: 'of the call or the escalation' },
      { name: 'name', value: 'TEXT', summary: 'what it is called (default: name of the file)' },
      { name: 'type', value: 'TYPE', summary: 'media type (default: by the end of its name)' }
    ],
    load: () => import('./commands/evidence-share.ts')
  },
  {
    words: ['evidence', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'files that were shared, and who has them',
    options: [
      dataOption,
      { name: 'trace', value: 'ID', summary: 'of this call or escalation' },
      {
        name: 'links',
        forAgents: false,
        summary: 'in place of these, the links of telephones: whoever has one reads the evidence of the call'
      }
    ],
    load: () => import('./commands/evidence-list.ts')
  },
  {
    words: ['evidence', 'erase'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'take a file from all calls and from the disk',
    options: [dataOption, { name: 'reason', value: 'TEXT', required: true, summary: 'why, for the log' }],
    load: () => import('./commands/evidence-erase.ts')
  },
  {
    words: ['council', 'invite'],
    operands: ['<party>'],
    effect: 'changes',
    summary: 'a link by which a party of the registry joins a conference with a browser',
    options: [
      dataOption,
      { name: 'conference', value: 'NAME', summary: 'which one (default: council)' },
      { name: 'as', value: 'KIND', summary: 'person or agent: a program that acts for the party (default: person)' },
      { name: 'vote', summary: 'gives an agent the vote of its party' },
      { name: 'signalling', value: 'HOW', summary: 'page, or sip: its sound is a SIP call of its own (default: page)' },
      { name: 'hazard', value: 'NAME', summary: 'what an expert is called for (default: the first of its specialisations)' }
    ],
    load: () => import('./commands/council-invite.ts')
  },
  {
    words: ['council', 'join'],
    operands: ['<link>'],
    effect: 'changes',
    summary: 'take an agent’s seat in a conference: tells who is there, what it is about and what is said to it, until SIGINT',
    options: [
      { name: 'send', value: 'TEXT', summary: 'message to all, or to one' },
      { name: 'to', value: 'NAME', summary: 'participant who gets the message' },
      {
        name: 'say',
        value: 'FILE',
        path: true,
        summary: 'WAV file that is said, 48 kHz; then it leaves, where nothing else is asked for'
      },
      { name: 'hear', value: 'FILE', path: true, summary: 'WAV file of what is heard, at most an hour' },
      { name: 'evidence', value: 'FOLDER', path: true, summary: 'folder, its own, that the evidence of calls comes to' },
      {
        name: 'share',
        value: 'FILE',
        path: true,
        summary: 'evidence for the first call that is open; then it leaves, as after --say'
      },
      { name: 'seconds', value: 'N', summary: 'leave after so long' },
      { name: 'ca', value: 'FILE', path: true, summary: 'certificate (PEM) that is trusted for an https link' }
    ],
    load: () => import('./commands/council-join.ts')
  },
  {
    words: ['council', 'seats'],
    operands: [],
    effect: 'reads',
    summary: 'seats that are given away, and who sits there',
    options: [dataOption, { name: 'conference', value: 'NAME', summary: 'in which one (default: council)' }],
    load: () => import('./commands/council-seats.ts')
  },
  {
    words: ['council', 'revoke'],
    operands: ['<party>'],
    effect: 'changes',
    summary: 'take the seats of a party back: whoever sits there is cut off',
    options: [
      dataOption,
      { name: 'conference', value: 'NAME', summary: 'in which one (default: council)' },
      { name: 'seat', value: 'ID', summary: 'this one only' }
    ],
    load: async () => ({ run: (await import('./commands/council-seats.ts')).revoke })
  },
  {
    words: ['council', 'votes'],
    operands: [],
    effect: 'reads',
    summary: 'what was put to the vote, and how it ended: every signature is checked against the ledger',
    options: [dataOption, ledgerOption, { name: 'conference', value: 'NAME', summary: 'in this one only' }],
    load: () => import('./commands/council-votes.ts')
  },
  {
    words: ['recording', 'status'],
    operands: [],
    effect: 'reads',
    summary: 'what the running suite records, and who has agreed',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/recording-control.ts')).status })
  },
  {
    words: ['recording', 'start'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'have the running suite record a conference: who agrees is recorded',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/recording-control.ts')).start })
  },
  {
    words: ['recording', 'stop'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'have the running suite end a recording',
    options: [dataOption],
    load: async () => ({ run: (await import('./commands/recording-control.ts')).stop })
  },
  {
    words: ['recording', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'recordings there are: state, length, gaps, who is in them',
    options: [dataOption, recordingsOption],
    load: () => import('./commands/recording-list.ts')
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
    load: () => import('./commands/recording-export.ts')
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
    load: () => import('./commands/recording-excerpt.ts')
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
    load: () => import('./commands/recording-verify.ts')
  },
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
    load: () => import('./commands/optimise-report.ts')
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
    load: () => import('./commands/optimise-budget.ts')
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
    load: () => import('./commands/optimise-alerts.ts')
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
    load: () => import('./commands/optimise-estimate.ts')
  },
  {
    words: ['optimise', 'rates'],
    operands: [],
    effect: 'reads',
    summary: 'what models cost per million tokens, and since when',
    options: [dataOption, ratesOption],
    load: () => import('./commands/optimise-rates.ts')
  },
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
