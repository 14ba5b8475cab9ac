import { existsSync } from 'node:fs'
import type { Verdict } from '#ledger'
import { CommandError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { readInput } from '../files.ts'
import { existingLedger, ledgerFolder } from '../ledger.ts'
import { printable } from '../output.ts'

const codeOf: Readonly<Record<Verdict, number>> = {
  valid: exitCodes.ok,
  truncated: exitCodes.truncated,
  altered: exitCodes.altered,
  forked: exitCodes.forked,
  unwitnessed: exitCodes.unwitnessed,
  incomplete: exitCodes.incomplete
}

export const run: Run = async (args, output) => {
  const files = await existingLedger(ledgerFolder(args))
  const { describeVerdict, verifyLedger } = await import('#ledger')
  const given = args.value('vkey')
  const vkey = given === undefined ? await keyBeside(files.vkey) : existsSync(given) ? await readText(given) : given
  if (given === undefined)
    output.talk('the key is the one that lies beside the ledger; bring your own with --vkey to trust nobody')
  const checkpoint = args.value('checkpoint')
  const pinned = checkpoint === undefined ? [] : [(await readInput(checkpoint)).toString('utf8')]
  const result = await verifyLedger(files.database, { vkey, pinned, publishedPath: files.published })
  if (output.json) await output.document(result)
  else {
    await output.line(output.paint(result.verdict === 'valid' ? 'green' : 'red', printable(describeVerdict(result))))
    await output.line(`${result.entries} entries, root ${result.root ?? '-'}, held against ${result.heads} signed heads`)
  }
  return codeOf[result.verdict]
}

async function keyBeside(path: string): Promise<string> {
  if (!existsSync(path)) throw new CommandError('cli.ledger.no-key', `${path} is not there: give the public key with --vkey`)
  return readText(path)
}

async function readText(path: string): Promise<string> {
  return (await readInput(path)).toString('utf8').trim()
}
