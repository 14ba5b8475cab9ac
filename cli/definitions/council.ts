import { type Command, dataOption, ledgerOption } from '../command.ts'

/** Commands: the council’s page: seats, votes, and what is shown there. */
export const councilCommands: readonly Command[] = [
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
    load: () => import('../commands/evidence/share.ts')
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
    load: () => import('../commands/evidence/list.ts')
  },
  {
    words: ['evidence', 'erase'],
    operands: ['<id>'],
    effect: 'changes',
    summary: 'take a file from all calls and from the disk',
    options: [dataOption, { name: 'reason', value: 'TEXT', required: true, summary: 'why, for the log' }],
    load: () => import('../commands/evidence/erase.ts')
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
    load: () => import('../commands/council/invite.ts')
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
    load: () => import('../commands/council/join.ts')
  },
  {
    words: ['council', 'seats'],
    operands: [],
    effect: 'reads',
    summary: 'seats that are given away, and who sits there',
    options: [dataOption, { name: 'conference', value: 'NAME', summary: 'in which one (default: council)' }],
    load: () => import('../commands/council/seats.ts')
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
    load: async () => ({ run: (await import('../commands/council/seats.ts')).revoke })
  },
  {
    words: ['council', 'votes'],
    operands: [],
    effect: 'reads',
    summary: 'what was put to the vote, and how it ended: every signature is checked against the ledger',
    options: [dataOption, ledgerOption, { name: 'conference', value: 'NAME', summary: 'in this one only' }],
    load: () => import('../commands/council/votes.ts')
  }
]
