import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

interface Listed {
  readonly seats: readonly {
    readonly seat: string
    readonly party: string
    readonly kind: string
    readonly mayVote: boolean
    readonly expiresAt: string
    readonly participant: string | null
  }[]
}

const pathOf = (conference: string) => `/v1/council/${encodeURIComponent(conference)}/seats`

export const run: Run = async (args, output) => {
  const listed = (await askSuite(args, pathOf(args.value('conference') ?? 'council'))) as Listed
  if (output.json) {
    await output.document(listed)
    return exitCodes.ok
  }
  const rows = listed.seats.map(({ seat, party, kind, expiresAt, participant }) => [
    seat,
    party,
    kind,
    participant ?? '-',
    expiresAt
  ])
  if (rows.length === 0) output.talk('no seats are given away')
  else
    for (const line of table([['seat', 'party', 'for', 'sits as', 'until'], ...rows], output.columns()))
      await output.line(printable(line))
  return exitCodes.ok
}

export const revoke: Run = async (args, output) => {
  const seat = args.value('seat')
  const path = `${pathOf(args.value('conference') ?? 'council')}/revoke`
  const body = { party: args.operands[0]!, ...(seat === undefined ? {} : { seat }) }
  const { revoked } = (await askSuite(args, path, body)) as { readonly revoked: readonly string[] }
  if (output.json) await output.document({ revoked })
  else output.talk(`${revoked.length === 1 ? 'one seat is' : `${revoked.length} seats are`} taken back: ${revoked.join(', ')}`)
  return exitCodes.ok
}
