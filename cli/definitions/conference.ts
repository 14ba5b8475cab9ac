import { type Command, dataOption } from '../command.ts'

/** Commands: conferences of the running suite, whoever is in them. */
export const conferenceCommands: readonly Command[] = [
  {
    words: ['conference', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'conferences of the running suite',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).list })
  },
  {
    words: ['conference', 'show'],
    operands: ['<conference>'],
    effect: 'reads',
    summary: 'who is in a conference: terminals, telephones and browsers',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).show })
  },
  {
    words: ['conference', 'mute'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'let nobody hear a participant',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).mute })
  },
  {
    words: ['conference', 'unmute'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'let a participant be heard again',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).unmute })
  },
  {
    words: ['conference', 'role'],
    operands: ['<conference>', '<participant>', '<role>'],
    effect: 'changes',
    summary: 'give a participant another role (guardian, expert, observer): observers hear and are not heard',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).role })
  },
  {
    words: ['conference', 'volume'],
    operands: ['<conference>', '<participant>'],
    effect: 'changes',
    summary: 'set how loud a participant is heard, and hears the others',
    options: [
      { name: 'heard', value: 'DB', summary: 'how loud the others hear it: -60 to 12, 0 is as it comes' },
      { name: 'hears', value: 'DB', summary: 'how loud it hears the others, likewise' },
      dataOption
    ],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).volume })
  },
  {
    words: ['conference', 'lock'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'let nobody else join',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).lock })
  },
  {
    words: ['conference', 'unlock'],
    operands: ['<conference>'],
    effect: 'changes',
    summary: 'let others join again',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/conference/floor.ts')).unlock })
  },
  {
    words: ['conference', 'announce'],
    operands: ['<conference>', '<file>'],
    effect: 'changes',
    paths: ['<file>'],
    summary: 'play a WAV file to everybody in a conference, or to one participant',
    options: [{ name: 'to', value: 'PARTICIPANT', summary: 'to this one alone' }, dataOption],
    load: () => import('../commands/conference/announce.ts')
  }
]
