import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

interface Running {
  readonly recording: string
  readonly conference: string
  readonly state: string
  readonly participants: readonly { readonly participant: string; readonly consent: string }[]
}

const change =
  (verb: 'start' | 'stop'): Run =>
  async (args, output) => {
    const path = `/v1/recordings/${encodeURIComponent(args.operands[0]!)}/${verb}`
    const answer = (await askSuite(args, path, {})) as { readonly recording: string }
    if (output.json) await output.document(answer)
    else await output.line(printable(answer.recording))
    return exitCodes.ok
  }

export const start = change('start')
export const stop = change('stop')

export const status: Run = async (args, output) => {
  const { recordings } = (await askSuite(args, '/v1/recordings')) as { readonly recordings: readonly Running[] }
  if (output.json) {
    for (const each of recordings) await output.document(each)
    return exitCodes.ok
  }
  if (recordings.length === 0) output.talk('nothing is being recorded')
  const cells = recordings.flatMap(({ recording, conference, state, participants }) => [
    [conference, state, recording],
    ...participants.map(({ participant, consent }) => ['', consent, printable(participant)])
  ])
  for (const line of table(cells, output.columns())) await output.line(line)
  return exitCodes.ok
}
