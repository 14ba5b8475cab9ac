import { listClients } from '#kamailio'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { authorityFolder } from '../../subjects/experts.ts'

const dayMs = 86_400_000

export const run: Run = async (args, output) => {
  const now = Date.now()
  const clients = (await listClients({ dir: authorityFolder(args) })).map((client) => {
    const left = Date.parse(client.notAfter) - now
    return {
      ...client,
      daysLeft: Math.floor(left / dayMs),
      state: client.revokedAt !== null ? 'revoked' : left <= 0 ? 'expired' : 'good'
    }
  })
  const shown = args.has('all') ? clients : clients.filter(({ state }) => state === 'good')
  if (output.json) {
    await output.document(shown)
    return exitCodes.ok
  }
  const tones = { good: 'green', expired: 'yellow', revoked: 'red' } as const
  const rows = shown.map(({ id, serial, identity, notAfter, daysLeft, state, reason }) => [
    id,
    output.paint(tones[state as keyof typeof tones], state),
    `${notAfter.slice(0, 10)} (${daysLeft} days)`,
    serial,
    printable(identity),
    printable(reason ?? '-')
  ])
  const heading = ['id', 'state', 'until', 'serial', 'identity', 'reason'].map((title) => output.paint('dim', title))
  for (const line of table([heading, ...rows], output.columns())) await output.line(line)
  return exitCodes.ok
}
