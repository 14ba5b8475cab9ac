import { listClients, revokeClients } from '#kamailio'
import type { Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { existingAuthority, ledgerToTell, tell } from '../../subjects/experts.ts'

const longestReason = 200

export const run: Run = async (args, output) => {
  const given = args.operands[0]!
  const reason = (args.value('reason') ?? 'not given').slice(0, longestReason)
  const authority = existingAuthority(args)
  const ledger = await ledgerToTell(args)
  const clients = await listClients(authority)
  const isSerial = clients.some(({ serial }) => serial === given.toUpperCase())
  if (!isSerial && !clients.some(({ id }) => id === given))
    throw new CommandError('cli.not-found', `no certificate was issued to ${JSON.stringify(given)}, and none has this serial`)
  const revoked = await revokeClients(authority, isSerial ? { serial: given } : { id: given }, reason, Date.now())
  for (const { id, serial, fingerprint, identity } of revoked)
    await tell(args, ledger, 'certificate_revoked', { expertId: id, serial, fingerprint, identity, reason }, output)
  if (output.json) await output.document({ revoked })
  else if (revoked.length === 0) await output.line(`${printable(given)}: revoked already`)
  else
    for (const { id, serial } of revoked)
      await output.line(`${id}: certificate ${serial} revoked; a running suite knows within two seconds`)
  return exitCodes.ok
}
