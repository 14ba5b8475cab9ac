import { type Command, dataOption, ledgerOption } from '../command.ts'

/** Commands: video over NDI. */
export const ndiCommands: readonly Command[] = [
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
    load: () => import('../commands/ndi/find.ts')
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
    load: () => import('../commands/ndi/send.ts')
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
    load: () => import('../commands/ndi/receive.ts')
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
    load: async () => ({ run: (await import('../commands/ndi/receive.ts')).record })
  },
  {
    words: ['ndi', 'verify'],
    operands: ['<file>'],
    effect: 'reads',
    paths: ['<file>'],
    summary: 'check each frame of a recorded stream against the ledger',
    options: [dataOption, ledgerOption],
    load: () => import('../commands/ndi/verify.ts')
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
    load: async () => ({ run: (await import('../commands/ndi/streams.ts')).ingest })
  },
  {
    words: ['ndi', 'publish'],
    operands: ['<conference>'],
    effect: 'changes',
    openWorld: true,
    summary: 'make a conference of the running suite an NDI source: who speaks, and the mix',
    options: [dataOption, { name: 'name', value: 'TEXT', summary: 'of the source (default: the conference)' }],
    load: async () => ({ run: (await import('../commands/ndi/streams.ts')).publish })
  },
  {
    words: ['ndi', 'streams'],
    operands: [],
    effect: 'reads',
    summary: 'sources that are in conferences of the running suite, and conferences that are sources',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/ndi/streams.ts')).streams })
  },
  {
    words: ['ndi', 'stop'],
    operands: ['<id-or-conference>'],
    effect: 'changes',
    summary: 'take a source out of its conference, or a conference off the air',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/ndi/streams.ts')).stop })
  }
]
