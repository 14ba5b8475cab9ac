import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { printable } from '../../show/output.ts'
import { progressBar } from '../../show/progress.ts'
import { readInput } from '../../subjects/files.ts'
import { keysGiven } from '../../subjects/ledger.ts'
import { showVerification, verdictCodes } from '../../subjects/verdict.ts'

export const run: Run = async (args, output) => {
  const bundle = args.operands[0]!
  const into = resolve(args.required('into'))
  if (!existsSync(bundle)) throw new CommandError('cli.file.unreadable', `${bundle} is not there`)
  const { claimedKey, ledgerExports } = await import('#ledger')
  const { importBundle } = await ledgerExports()
  const given = args.value('vkey')
  const key = given === undefined ? await claimedKey(bundle) : { vkey: (await keysGiven(given))[0] ?? '' }
  if (given === undefined) output.talk('the key is the one in the bundle; bring your own with --vkey to trust nobody')
  const [policy, checkpoint] = [args.value('policy'), args.value('checkpoint')]
  const text = async (path: string): Promise<string> => (await readInput(path)).toString('utf8')
  const trust = {
    ...(policy === undefined ? {} : { policy: await text(policy) }),
    ...(checkpoint === undefined ? {} : { pinned: [await text(checkpoint)] }),
    onProgress: progressBar()
  }
  const result = 'failed' in key ? key.failed : await importBundle({ bundle, into, ...key, ...trust })
  const valid = result.verdict === 'valid'
  await showVerification(result, output, { imported: valid ? into : null })
  output.talk(valid ? `read it with --ledger ${printable(into)}` : 'nothing was taken in')
  return verdictCodes[result.verdict]
}
