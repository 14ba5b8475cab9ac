import { importDrachtioConf } from '#sip-engine'
import type { Run } from '../command.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { printable } from '../show/output.ts'
import { readInput } from '../subjects/files.ts'

export const run: Run = async (args, output) => {
  const path = args.operands[0]!
  const text = (await readInput(path)).toString('utf8')
  const { settings, notes, yaml } = await importDrachtioConf(text, { source: path, anyAddress: args.value('address') })
  if (output.json) {
    await output.document({ settings, notes })
    return exitCodes.ok
  }
  await output.line(yaml.trimEnd())
  for (const note of notes) output.talk(printable(`${path}:${note.line}: ${note.path}: ${note.text}`))
  return exitCodes.ok
}
