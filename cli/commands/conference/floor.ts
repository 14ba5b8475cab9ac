import type { ConferenceView } from '#suite'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite, changeConference } from '../../subjects/control.ts'

const conferences = '/v1/conferences'

export const show: Run = async (args, output) => {
  const path = `${conferences}/${encodeURIComponent(args.operands[0] ?? '')}`
  const conference = (await askSuite(args, path)) as ConferenceView
  if (output.json) await output.document(conference)
  else await tell(conference, output)
  return exitCodes.ok
}

export const mute = changeConference(conferences, 'mute', (participant) => ({ participant, muted: true }))
export const unmute = changeConference(conferences, 'mute', (participant) => ({ participant, muted: false }))
export const lock = changeConference(conferences, 'lock', () => ({ locked: true }))
export const unlock = changeConference(conferences, 'lock', () => ({ locked: false }))
const roles = ['guardian', 'expert', 'observer']

export const role: Run = async (args, output) => {
  const wanted = args.operands[2] ?? ''
  if (!roles.includes(wanted)) throw new UsageError(`expected ${roles.join(', ')}, not ${JSON.stringify(wanted)}`)
  return changeConference(conferences, 'role', (participant) => ({ participant, role: wanted }))(args, output)
}

export const volume: Run = async (args, output) => {
  const [heardDb, hearsDb] = [args.wholeNumber('heard', -60, 12), args.wholeNumber('hears', -60, 12)]
  if (heardDb === undefined && hearsDb === undefined) throw new UsageError('expected --heard DB, --hears DB or both')
  return changeConference(conferences, 'volume', (participant) => ({ participant, heardDb, hearsDb }))(args, output)
}

export const list: Run = async (args, output) => {
  const answer = (await askSuite(args, conferences)) as { conferences: readonly ConferenceView[] }
  if (output.json) {
    await output.document(answer)
    return exitCodes.ok
  }
  if (answer.conferences.length === 0) output.talk('no conference')
  const rows = answer.conferences.map(({ conference, participants }) => {
    const h323 = participants.filter(({ protocol }) => protocol === 'h323').length
    return [conference, String(participants.length), String(h323), participants.find(({ chair }) => chair)?.participant ?? '-']
  })
  if (rows.length > 0) {
    for (const line of table([['conference', 'participants', 'by H.323', 'chair'], ...rows], output.columns()))
      await output.line(printable(line))
  }
  return exitCodes.ok
}

async function tell({ participants }: ConferenceView, output: Output): Promise<void> {
  const rows = participants.map((each) => [
    each.number === null ? '-' : String(each.number),
    each.participant,
    each.name,
    each.role,
    each.protocol,
    each.codec ?? '-',
    [
      ...(['chair', 'speaking', 'muted', 'held', 'handRaised'] as const).filter((key) => each[key]),
      ...(['heardDb', 'hearsDb'] as const).filter((key) => each[key] !== 0).map((key) => `${key}=${each[key]}`)
    ].join(' ')
  ])
  for (const line of table([['no.', 'participant', 'name', 'role', 'protocol', 'codec', ''], ...rows], output.columns()))
    await output.line(printable(line))
}
