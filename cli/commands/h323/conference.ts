import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { askSuite, changeConference } from '../../subjects/control.ts'

const conferences = '/v1/h323/conferences'

export const invite: Run = async (args, output) => {
  const [conference = '', target = ''] = args.operands
  output.talk(`calling ${printable(target)}`)
  const answer = (await askSuite(args, `${conferences}/${encodeURIComponent(conference)}/invite`, { target })) as {
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

export const drop = changeConference(conferences, 'drop', (participant) => ({ participant }))
export const withdrawChair = changeConference(conferences, 'withdraw-chair', () => ({}))
