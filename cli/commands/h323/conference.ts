import type { ConferenceView } from '#h323/mcu'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

const pathOf = (conference: string): string => `/v1/h323/conferences/${encodeURIComponent(conference)}`

export const show: Run = async (args, output) => {
  const conference = (await askSuite(args, pathOf(args.operands[0] ?? ''))) as ConferenceView
  if (output.json) await output.document(conference)
  else await tell(conference, output)
  return exitCodes.ok
}

export const invite: Run = async (args, output) => {
  const [conference = '', target = ''] = args.operands
  output.talk(`calling ${printable(target)}`)
  const answer = (await askSuite(args, `${pathOf(conference)}/invite`, { target })) as {
    ok: boolean
    participant?: string
    cause?: number
    reason?: string | null
  }
  const { ok, participant, cause, reason = null } = answer
  if (output.json) await output.document(answer)
  else if (ok) await output.line(printable(`${participant} is in ${conference}`))
  else await output.line(printable(`not connected: cause ${cause}${reason === null ? '' : ` (${reason})`}`))
  return ok ? exitCodes.ok : exitCodes.failure
}

/** A command that changes one thing and says nothing but that it is done. */
const change =
  (path: string, bodyOf: (participant: string | undefined) => object): Run =>
  async (args, output) => {
    const [conference = '', participant] = args.operands
    return changeOne(conference, path, bodyOf(participant), args, output)
  }

async function changeOne(conference: string, path: string, body: object, args: Arguments, output: Output): Promise<number> {
  await askSuite(args, `${pathOf(conference)}/${path}`, body)
  if (output.json) await output.document({ done: true })
  return exitCodes.ok
}

export const mute = change('mute', (participant) => ({ participant, muted: true }))
export const unmute = change('mute', (participant) => ({ participant, muted: false }))
export const drop = change('drop', (participant) => ({ participant }))
export const lock = change('lock', () => ({ locked: true }))
export const unlock = change('lock', () => ({ locked: false }))
const roles = ['guardian', 'expert', 'observer']

export const role: Run = async (args, output) => {
  const [conference = '', participant, wanted = ''] = args.operands
  if (!roles.includes(wanted)) throw new UsageError(`expected ${roles.join(', ')}, not ${JSON.stringify(wanted)}`)
  return changeOne(conference, 'role', { participant, role: wanted }, args, output)
}

export const volume: Run = async (args, output) => {
  const [conference = '', participant] = args.operands
  const [heardDb, hearsDb] = [args.wholeNumber('heard', -60, 12), args.wholeNumber('hears', -60, 12)]
  if (heardDb === undefined && hearsDb === undefined) throw new UsageError('expected --heard DB, --hears DB or both')
  return changeOne(conference, 'volume', { participant, heardDb, hearsDb }, args, output)
}

export const withdrawChair = change('withdraw-chair', () => ({}))

export const list: Run = async (args, output) => {
  const { conferences } = (await askSuite(args, '/v1/h323/conferences')) as { conferences: readonly ConferenceView[] }
  if (output.json) {
    await output.document({ conferences })
    return exitCodes.ok
  }
  if (conferences.length === 0) output.talk('no conference')
  const rows = conferences.map(({ conference, terminals }) => {
    const h323 = terminals.filter(({ protocol }) => protocol === 'h323').length
    return [conference, String(terminals.length), String(h323), terminals.find(({ chair }) => chair)?.participant ?? '-']
  })
  if (rows.length > 0) {
    for (const line of table([['conference', 'participants', 'by H.323', 'chair'], ...rows], output.columns()))
      await output.line(printable(line))
  }
  return exitCodes.ok
}

async function tell({ terminals }: ConferenceView, output: Output): Promise<void> {
  const rows = terminals.map((terminal) => [
    String(terminal.number),
    terminal.participant,
    terminal.name,
    terminal.role,
    terminal.protocol,
    terminal.codec ?? '-',
    [
      ...(['chair', 'speaking', 'muted', 'held', 'handRaised'] as const).filter((key) => terminal[key]),
      ...(['heardDb', 'hearsDb'] as const).filter((key) => terminal[key] !== 0).map((key) => `${key}=${terminal[key]}`)
    ].join(' ')
  ])
  for (const line of table([['no.', 'participant', 'name', 'role', 'protocol', 'codec', ''], ...rows], output.columns()))
    await output.line(printable(line))
}
