import { join, resolve } from 'node:path'
import { defaultRules, keptRules } from '#guard'
import { dataFolder, type Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'

export const run: Run = async (args, output) => {
  const [hash] = args.operands
  const folder = resolve(args.value('policies') ?? join(dataFolder(args), 'policies'))
  const text = hash === undefined ? defaultRules() : keptRules(folder, hash)?.text
  if (text === undefined) throw new CommandError('cli.not-found', `no rules ${JSON.stringify(hash)} are kept in ${folder}`)
  if (output.json) await output.document({ policy: hash ?? null, text })
  else await output.line(text.trimEnd())
  return exitCodes.ok
}
