import type { Grant } from '#chassis'
import type { Run } from '../../command.ts'
import { CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withChassis } from '../../subjects/chassis.ts'

async function show(grants: readonly Grant[], output: Output): Promise<void> {
  if (output.json) {
    for (const grant of grants) await output.document(grant)
    return
  }
  const rows = grants.map(({ id, sandbox, service, expiresAt, usesLeft, revokedAt }) => [
    id,
    sandbox,
    service,
    new Date(expiresAt).toISOString(),
    String(usesLeft),
    revokedAt === null ? '-' : new Date(revokedAt).toISOString()
  ])
  for (const line of table([['grant', 'sandbox', 'service', 'ends', 'uses left', 'revoked'], ...rows], output.columns()))
    await output.line(line)
}

export const scope: Run = (args, output) => {
  const service = args.required('allow')
  const minutes = args.wholeNumber('minutes', 1, 1440) ?? 15
  const uses = args.wholeNumber('uses', 1, 10_000) ?? 100
  return withChassis(args, output, async (chassis) => {
    await show([await chassis.grant(args.operands[0]!, service, minutes * 60_000, uses)], output)
    return exitCodes.ok
  })
}

export const revoke: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const [sandbox, id] = args.operands as [string, string]
    const grant = await chassis.revoke(sandbox, id)
    if (grant === null) throw new CommandError('chassis.grant', `${sandbox} has no grant ${printable(id)}`)
    await show([grant], output)
    return exitCodes.ok
  })

export const audit: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const grants = await chassis.grants(args.operands[0])
    if (grants.length === 0 && !output.json) output.talk('there are no grants')
    else await show(grants, output)
    return exitCodes.ok
  })

export const trail: Run = (args, output) => {
  const form = args.value('export')
  if (form !== undefined && form !== 'json') throw new UsageError('--export: expected json')
  return withChassis(args, output, async (chassis) => {
    const sandbox = args.operands[0]!
    const records = await chassis.audit(sandbox)
    if (records.length === 0) throw new CommandError('chassis.unknown', `nothing is known of ${sandbox}`)
    if (form === 'json') await output.document({ sandbox, records })
    else if (output.json) for (const record of records) await output.document(record)
    else
      for (const { at, event, facts } of records)
        await output.line(printable(`${new Date(at).toISOString()} ${event} ${JSON.stringify(facts)}`))
    return exitCodes.ok
  })
}
