import { type Command, dataOption } from '../command.ts'

/** Commands: the gatekeeper, its terminals in conferences, and captures. */
export const h323Commands: readonly Command[] = [
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
    load: () => import('../commands/h323/decode.ts')
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
    load: () => import('../commands/h323/dial.ts')
  },
  {
    words: ['h323', 'endpoints'],
    operands: [],
    effect: 'reads',
    summary: 'endpoints registered with the gatekeeper of the running suite',
    options: [dataOption],
    load: () => import('../commands/h323/endpoints.ts')
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
    load: () => import('../commands/h323/calls.ts')
  },
  {
    words: ['h323', 'conference', 'invite'],
    operands: ['<conference>', '<alias>'],
    effect: 'changes',
    summary: 'call an H.323 terminal into a conference',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/h323/conference.ts')).invite })
  },
  {
    words: ['h323', 'conference', 'drop'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'end a terminal’s call',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/h323/conference.ts')).drop })
  },
  {
    words: ['h323', 'conference', 'withdraw-chair'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'take the token of the chair from the terminal that has it',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/h323/conference.ts')).withdrawChair })
  }
]
