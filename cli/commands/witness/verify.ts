import { existsSync, renameSync, writeFileSync } from 'node:fs'
import type { claimedKey, ledgerFiles, TrustedState } from '#ledger'
import type { Run } from '../../command.ts'
import { type Arguments, CommandError, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { progressBar } from '../../show/progress.ts'
import { readBeside, readInput } from '../../subjects/files.ts'
import { existingLedger, isServerAddress, ledgerPlace } from '../../subjects/ledger.ts'
import { showVerification, verdictCodes } from '../../subjects/verdict.ts'

export const run: Run = async (args, output) => {
  const { checkIndex, indexPathOf, verifyLedger } = await import('#ledger')
  const { path, beside, keyBeside } = await placeOf(args)
  const given = args.value('vkey')
  const key = given === undefined ? await keyBeside() : { vkey: existsSync(given) ? await readText(given) : given }
  if ('failed' in key) {
    await showVerification(key.failed, output, { indexFault: null })
    return verdictCodes[key.failed.verdict]
  }
  const { vkey } = key
  const checkpoint = args.value('checkpoint')
  const pinned = checkpoint === undefined ? [] : [(await readInput(checkpoint)).toString('utf8')]
  const producers = args.value('producers')
  const all = args.has('all') || producers !== undefined
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
    ...(beside === null ? {} : { publishedPath: beside.published }),
    depth: all ? 'form' : 'place',
    ...(all
      ? {
          beside: {
            ...(beside === null ? {} : { framesPath: beside.frames }),
            ...(producers === undefined ? {} : { producers: (await readInput(producers)).toString('utf8') })
          }
        }
      : {}),
    ...(policy === undefined ? {} : { policy: (await readInput(policy)).toString('utf8') }),
    ...(from === undefined ? {} : { from }),
    ...(accounting !== undefined ? { completeness: { accountingPath: accounting } } : all ? { completeness: {} } : {}),
    onProgress: progressBar()
  })
  if (given === undefined) {
    const where = beside === null ? 'in the bundle' : 'beside the ledger'
    output.talk(`the key is the one that lies ${where}; bring your own with --vkey to trust nobody`)
  }
  if (policy === undefined && beside !== null && existsSync(beside.policy))
    output.talk(
      'which witnesses cosigned was not asked, though the ledger has a policy: bring one that you were given with --policy'
    )
  if (result.verdict === 'valid' && checkpoint === undefined && from === undefined)
    output.talk(
      'what was cut off its end, heads and all, a log does not show by itself: bring a checkpoint kept elsewhere with --checkpoint'
    )
  const indexFault =
    all && beside !== null && result.verdict === 'valid'
      ? await checkIndex({ path, origin: vkey.split('+')[0]! }, indexPathOf(beside.database))
      : null
  if (statePath !== undefined && result.state !== null) keepState(statePath, result.state)
  await showVerification(result, output, { indexFault })
  return indexFault === null ? verdictCodes[result.verdict] : exitCodes.indexDiffers
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

interface Place {
  /** As verifyLedger takes it. */
  readonly path: string
  /** Files beside the log; null where nothing lies beside it. */
  readonly beside: ReturnType<typeof ledgerFiles> | null
  /** The key that is taken when none is given. */
  readonly keyBeside: () => ReturnType<typeof claimedKey>
}

async function placeOf(args: Arguments): Promise<Place> {
  const { bundleOfFolder, claimedKey, logOfFolder, parseServer } = await import('#ledger')
  const [bundle] = args.operands
  if (bundle !== undefined) {
    if (args.value('ledger') !== undefined) throw new UsageError('either a bundle or --ledger: which is meant?')
    if (!existsSync(bundle)) throw new CommandError('cli.file.unreadable', `${bundle} is not there`)
    return { path: bundle, beside: null, keyBeside: () => claimedKey(bundle) }
  }
  const place = ledgerPlace(args)
  if (isServerAddress(place)) {
    const keyBeside = async () => {
      throw new UsageError('--vkey is needed: nothing lies beside a server to tell the key')
    }
    return { path: parseServer(place).url, beside: null, keyBeside }
  }
  const files = await existingLedger(place)
  const log = logOfFolder(place)
  const path = log === null ? bundleOfFolder(place)! : log.kind === 'sqlite' ? log.path : log.url
  const keyBeside = async () => {
    if (existsSync(files.vkey)) return { vkey: (await readBeside(files.vkey)).toString('utf8').trim() }
    throw new CommandError('cli.ledger.no-key', `${files.vkey} is not there: give the public key with --vkey`)
  }
  return { path, beside: files, keyBeside }
}

async function readText(path: string): Promise<string> {
  return (await readInput(path)).toString('utf8').trim()
}
