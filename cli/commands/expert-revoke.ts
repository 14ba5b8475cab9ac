import { listClients, revokeClients } from '#kamailio'
import { CommandError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { existingAuthority, ledgerToTell, tell } from '../experts.ts'
import { printable } from '../output.ts'

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
