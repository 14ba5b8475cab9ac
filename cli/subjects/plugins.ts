import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { taskGate } from '#chassis'
import { type Coordinator, createCoordinator, type Refusal } from '#coordinator'
import { createGovernor, type Governor } from '#governor'
import { appendItem, appendOnce, appendRetold, keyTaken, ledgerFiles } from '#ledger'
import { openStore, type RecordEvents, type StorePlace, type WitnessedStore, witnessedStore } from '#store'
import { dataFolder } from '../command.ts'
import { type Arguments, CommandError, UsageError } from '../line/arguments.ts'
import type { Output } from '../show/output.ts'
import { ledgerFolder } from './ledger.ts'

const newOrigin = 'infrafabric.local/witness'

/** Place of the plugins' state: a file, or `redis://host#name`. */
export function storePlace(args: Arguments): StorePlace {
  const given = args.value('store') ?? process.env.IF_STORE
  if (given === undefined) return { kind: 'sqlite', path: join(dataFolder(args), 'state.db') }
  if (!/^rediss?[:+]/.test(given)) return { kind: 'sqlite', path: resolve(given) }
  const hash = given.indexOf('#')
  if (hash < 0 || hash === given.length - 1)
    throw new UsageError('--store: a Redis server needs the name of the store: redis://HOST#NAME')
  return { kind: 'redis', url: given.slice(0, hash), name: given.slice(hash + 1) }
}

/** Puts events into the ledger of the data folder, made when absent. */
function recorder(args: Arguments, output: Output): RecordEvents {
  return async (events) => {
    const dir = ledgerFolder(args)
    const { vkey } = ledgerFiles(dir)
    const origin = existsSync(vkey) ? readFileSync(vkey, 'utf8').split('+')[0]! : newOrigin
    const items = events.map(({ event, key }) => appendItem(event, Date.now(), key))
    const warn = (code: string, message: string): void => output.talk(`ifctl: ${message} (${code})`)
    await appendRetold(
      (some) => appendOnce({ dir, origin }, some, warn),
      items,
      (why) => warn(keyTaken, why),
      Date.now
    )
  }
}

export interface OpenPlugins {
  readonly witnessed: WitnessedStore
  readonly coordinator: Coordinator
  readonly governor: Governor
}

/**
 * Opens the plugins on the state of the data folder, gives them to `use` and closes them. What processes that ended left undone is done first.
 *
 * @throws {InfraFabricError} as StateStore
 */
export async function withPlugins<T>(args: Arguments, output: Output, use: (plugins: OpenPlugins) => Promise<T>): Promise<T> {
  const leaseSeconds = args.wholeNumber('lease', 1, 3600)
  const witnessed = witnessedStore(await openStore(storePlace(args)), recorder(args, output))
  try {
    const governor = createGovernor(witnessed)
    const lease = leaseSeconds === undefined ? {} : { leaseMs: 1000 * leaseSeconds }
    const coordinator = createCoordinator(witnessed, { ...lease, gates: [governor.gate, taskGate] })
    await coordinator.sweep()
    return await use({ witnessed, coordinator, governor })
  } finally {
    await witnessed.close()
  }
}

/** A refusal as the failure of a command. */
export function refused({ code, reason, retryAt }: Refusal): CommandError {
  return new CommandError(code, reason, retryAt === undefined ? {} : { retryAt: new Date(retryAt).toISOString() })
}
