import { InfraFabricError } from '#kernel'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { askSuite } from '../../subjects/control.ts'

interface Seat {
  readonly url: string
  readonly seat: string
  readonly expiresAt: string
  readonly sip: object | null
}

export const run: Run = async (args, output) => {
  const party = args.operands[0]!
  const conference = args.value('conference') ?? 'council'
  const kind = args.value('as') ?? 'person'
  if (kind !== 'person' && kind !== 'agent') throw new UsageError('--as: expected person or agent')
  const mayVote = args.has('vote')
  if (mayVote && kind === 'person') throw new UsageError('--vote: a Guardian votes anyway; it is for --as agent')
  const signalling = args.value('signalling') ?? 'page'
  if (signalling !== 'page' && signalling !== 'sip') throw new UsageError('--signalling: expected page or sip')
  if (signalling === 'sip' && kind === 'agent') throw new UsageError('--signalling sip: agents have no SIP')
  const hazard = args.value('hazard')
  const path = `/v1/council/${encodeURIComponent(conference)}/seats`
  const body = { party, kind, mayVote, ...(hazard === undefined ? {} : { hazard }) }
  const seat = (await askSuite(args, path, body)) as Seat
  if (signalling === 'sip' && seat.sip === null)
    throw new InfraFabricError('webrtc.sip.off', 'no edge of this suite takes SIP over WebSocket (webrtc.sip)')
  const given = signalling === 'sip' ? { ...seat, url: seat.url.replace('/#', '/?signalling=sip#') } : seat
  if (output.json) await output.document({ party, conference, kind, ...given })
  else {
    output.talk(`whoever has this link takes seat ${given.seat}, until ${given.expiresAt}`)
    await output.line(given.url)
  }
  return exitCodes.ok
}
