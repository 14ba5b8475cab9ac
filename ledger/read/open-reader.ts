import { existsSync, readFileSync } from 'node:fs'
import { InfraFabricError } from '#kernel'
import { type LogPlace, openLogReader } from '../store/open.ts'
import { readStoreFile } from '../store/store-file.ts'
import { openEntryIndex } from './entry-index.ts'
import { createLedgerReader, indexPathOf, type LedgerReader } from './reader.ts'

/** An evidence bundle that was checked and taken into a folder. */
export const importedBundle = 'evidence.zip'

/** Whether a ledger is named by the address of a server instead of its folder. */
const isServer = (place: string): boolean => /^rediss?[:+]/.test(place)

/** `redis://host/0#council.example/witness`: address, and the name of the log. The name is empty where it is not told. */
export function parseServer(place: string): { readonly url: string; readonly origin: string } {
  const at = place.indexOf('#')
  return at < 0 ? { url: place, origin: '' } : { url: place.slice(0, at), origin: place.slice(at + 1) }
}

/** Where the log of a folder is; null when there is none. @throws {InfraFabricError} `ledger.store.address` */
export function logOfFolder(dir: string): LogPlace | null {
  const database = `${dir}/ledger.db`
  const store = readStoreFile(`${dir}/store.json`)
  if (store?.kind !== 'redis') return existsSync(database) ? { kind: 'sqlite', path: database } : null
  const { kind, url, answerWithinMs } = store
  const logName = readFileSync(`${dir}/vkey`, 'utf8').split('+')[0]!
  return { kind, url, logName, ...(answerWithinMs === undefined ? {} : { answerWithinMs }) }
}

/** The evidence bundle that was taken into a folder; null when there is none. */
export function bundleOfFolder(dir: string): string | null {
  const path = `${dir}/${importedBundle}`
  return existsSync(path) ? path : null
}

/**
 * Opens a ledger for reading, beside whoever writes to it: that of a folder, wherever its log is, or a bundle that was taken in there, or one on a Redis server, of which an index is made anew
 * in memory for queries.
 *
 * @param place folder, or as {@link parseServer} has it
 * @throws {InfraFabricError} `ledger.absent`, `ledger.store.*`; {Error} `ERR_SQLITE_ERROR`
 */
export async function openReader(place: string): Promise<LedgerReader> {
  if (isServer(place)) {
    const { url, origin } = parseServer(place)
    if (origin === '') throw new InfraFabricError('ledger.store.address', 'which log of the server? Its name comes behind #')
    const log = await openLogReader({ kind: 'redis', url, logName: origin })
    return createLedgerReader(log, openEntryIndex(null, log))
  }
  const bundle = bundleOfFolder(place)
  if (bundle !== null) {
    const { openBundleReader } = await import('../export/bundle-reader.ts')
    return openBundleReader(bundle)
  }
  const found = logOfFolder(place)
  if (found === null) throw new InfraFabricError('ledger.absent', `there is no ledger in ${place}`)
  const log = await openLogReader(found)
  return createLedgerReader(log, openEntryIndex(indexPathOf(`${place}/ledger.db`), log))
}
