import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { askSuite } from '../../subjects/control.ts'

interface Listed {
  readonly endpoints: readonly {
    readonly endpoint: string
    readonly kind: string
    readonly aliases: readonly string[]
    readonly prefixes: readonly string[]
    readonly signalling: readonly string[]
    readonly user: string | null
    readonly expiresAt: string
  }[]
}

export const run: Run = async (args, output) => {
  const listed = (await askSuite(args, '/v1/h323/endpoints')) as Listed
  if (output.json) {
    await output.document(listed)
    return exitCodes.ok
  }
  const rows = listed.endpoints.map(({ endpoint, kind, aliases, prefixes, signalling, user, expiresAt }) => [
    [...aliases, ...prefixes.map((prefix) => `${prefix}…`)].join(' '),
    kind,
    signalling[0] ?? '-',
    user ?? '-',
    expiresAt.slice(11, 19),
    endpoint
  ])
  if (rows.length === 0) output.talk('nobody is registered')
  else
    for (const line of table([['aliases', 'kind', 'signalling', 'account', 'until', 'endpoint'], ...rows], output.columns()))
      await output.line(printable(line))
  return exitCodes.ok
}
