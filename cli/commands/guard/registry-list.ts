import { parseRegistry } from '#guard'
import { type Run, registryPath } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { readInput } from '../../subjects/files.ts'
import { hazardList } from '../../subjects/hazards.ts'

export const run: Run = async (args, output) => {
  const path = registryPath(args)
  const registry = parseRegistry((await readInput(path)).toString('utf8'), path, hazardList(args))
  const wanted = args.value('specialisation')
  const parties = wanted === undefined ? registry.parties : registry.bySpecialisation(wanted)
  if (output.json) {
    await output.document(parties.map(({ key, ...party }) => ({ ...party, keyId: key?.id ?? null })))
    return exitCodes.ok
  }
  const rows = parties.map((party) => [
    party.id,
    party.role,
    printable(party.uri),
    party.specialisations.join(', ') || '-',
    party.key?.id ?? '-',
    party.signature
  ])
  const heading = ['id', 'role', 'URI', 'called for', 'key', 'signature'].map((title) => output.paint('dim', title))
  for (const line of table([heading, ...rows], output.columns())) await output.line(line)
  return exitCodes.ok
}
