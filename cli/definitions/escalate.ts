import { type Command, dataOption } from '../command.ts'

/** Commands: calls out, and the bridges beside them. */
export const escalateCommands: readonly Command[] = [
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
    load: () => import('../commands/escalate.ts')
  },
  {
    words: ['escalate', 'list'],
    operands: [],
    effect: 'reads',
    summary: 'escalations that are open, and the last that ended',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).list })
  },
  {
    words: ['escalate', 'show'],
    operands: ['<id>'],
    effect: 'reads',
    summary: 'one escalation: its calls and what became of each',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).show })
  },
  {
    words: ['escalate', 'bridges'],
    operands: [],
    effect: 'reads',
    summary: 'what runs beside the calls of experts, called out or in: H.323, WebRTC, NDI, each with its state',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).bridges })
  },
  {
    words: ['escalate', 'retry'],
    operands: ['<id>', '<bridge>', '[target]'],
    effect: 'changes',
    summary: 'open a bridge anew that has FAILED; the id is that of the escalation, or the trace of the call',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).retry })
  },
  {
    words: ['escalate', 'hold'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'put who has answered on hold: the council speaks among itself',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).hold })
  },
  {
    words: ['escalate', 'resume'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'end the hold',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).resume })
  },
  {
    words: ['escalate', 'cancel'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'cancel what rings, hang up on who has answered',
    options: [dataOption],
    load: async () => ({ run: (await import('../commands/escalate.ts')).cancel })
  }
]
