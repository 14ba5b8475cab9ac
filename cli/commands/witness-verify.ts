import { existsSync, renameSync, writeFileSync } from 'node:fs'
import type { TrustedState, Verdict } from '#ledger'
import { CommandError, UsageError } from '../arguments.ts'
import type { Run } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { readInput } from '../files.ts'
import { existingLedger, isServerAddress, ledgerPlace } from '../ledger.ts'
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
  const place = ledgerPlace(args)
  const files = isServerAddress(place) ? null : await existingLedger(place)
  const { checkIndex, describeVerdict, indexPathOf, logOfFolder, parseServer, verifyLedger } = await import('#ledger')
  const given = args.value('vkey')
  if (given === undefined && files === null)
    throw new UsageError('--vkey is needed: nothing lies beside a server to tell the key')
  const vkey = given === undefined ? await keyBeside(files!.vkey) : existsSync(given) ? await readText(given) : given
  const kept = files === null ? null : logOfFolder(place)
  const path = kept === null ? parseServer(place).url : kept.kind === 'sqlite' ? kept.path : kept.url
  if (given === undefined)
    output.talk('the key is the one that lies beside the ledger; bring your own with --vkey to trust nobody')
  const checkpoint = args.value('checkpoint')
  const pinned = checkpoint === undefined ? [] : [(await readInput(checkpoint)).toString('utf8')]
  const all = args.has('all')
  const [policy, accounting, statePath] = [args.value('policy'), args.value('accounting'), args.value('state')]
  const from = statePath !== undefined && existsSync(statePath) ? readState(await readText(statePath)) : undefined
  if (from !== undefined && (all || accounting !== undefined)) {
    throw new CommandError(
      'cli.witness.state-with-all',
      'calls are checked from their beginning: leave out --state, or --all and --accounting'
    )
  }
  const result = await verifyLedger(path, {
    vkey,
    pinned,
    ...(files === null ? {} : { publishedPath: files.published }),
    depth: all ? 'form' : 'place',
    ...(all ? { beside: files === null ? {} : { framesPath: files.frames } } : {}),
    ...(policy === undefined ? {} : { policy: (await readInput(policy)).toString('utf8') }),
    ...(from === undefined ? {} : { from }),
    ...(accounting !== undefined ? { completeness: { accountingPath: accounting } } : all ? { completeness: {} } : {})
  })
  const indexFault =
    all && files !== null && result.verdict === 'valid'
      ? await checkIndex({ path, origin: vkey.split('+')[0]! }, indexPathOf(files.database))
      : null
  if (statePath !== undefined && result.state !== null) keepState(statePath, result.state)
  if (output.json) await output.document({ ...result, indexFault })
  else {
    await output.line(output.paint(result.verdict === 'valid' ? 'green' : 'red', printable(describeVerdict(result))))
    await output.line(`${result.entries} entries, root ${result.root ?? '-'}, held against ${result.heads} signed heads`)
    for (const note of result.notes) await output.line(printable(note))
    for (const callId of [...(result.completeness?.missingCalls ?? []), ...(result.completeness?.missingRefusals ?? [])]) {
      await output.line(`not in the log: ${printable(callId)}`)
    }
    for (const { callId, traceId, missing } of result.completeness?.gaps ?? []) {
      await output.line(`call ${printable(callId)}, trace ${printable(traceId)}: lacks ${missing.join(', ')}`)
    }
    if (indexFault !== null) await output.line(output.paint('red', printable(indexFault)))
  }
  return indexFault === null ? codeOf[result.verdict] : exitCodes.indexDiffers
}

function readState(text: string): TrustedState {
  try {
    return JSON.parse(text) as TrustedState
  } catch (error) {
    throw new CommandError('cli.witness.state', 'the state kept is not JSON', { cause: error })
  }
}

/** A state that is half written would be of no use: the new one takes the place of the old one whole. */
function keepState(path: string, state: TrustedState): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`, { flush: true })
  renameSync(`${path}.new`, path)
}

async function keyBeside(path: string): Promise<string> {
  if (!existsSync(path)) throw new CommandError('cli.ledger.no-key', `${path} is not there: give the public key with --vkey`)
  return readText(path)
}

async function readText(path: string): Promise<string> {
  return (await readInput(path)).toString('utf8').trim()
}
