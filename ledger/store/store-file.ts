/**
 * Where the log of a folder is, when it is not in the folder: `store.json`, 0600, since the address may hold a password. Whoever opens the folder later, a
 * command or another start of the suite, finds the same log.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { InfraFabricError } from '#kernel'
import { parseRedisUrl, placeOf } from './redis-address.ts'
import type { RedisSettings } from './redis-store.ts'

/** A log in Redis has writers on several machines, each with the same signing key in its folder: one leads, the others wait to take over. */
export type LedgerStore =
  | { readonly kind: 'sqlite' }
  | ({ readonly kind: 'redis'; readonly holder?: RedisSettings['holder'] } & Omit<RedisSettings, 'logName' | 'holder'>)

/** What the file says; null when there is none. @throws {InfraFabricError} `ledger.store.address` */
export function readStoreFile(path: string): LedgerStore | null {
  if (!existsSync(path)) return null
  try {
    const store = JSON.parse(readFileSync(path, 'utf8')) as LedgerStore
    if (store.kind !== 'redis') throw new Error('of no kind that is known')
    parseRedisUrl(store.url)
    return store
  } catch (cause) {
    throw new InfraFabricError('ledger.store.address', `${path} does not say where the log is`, { cause })
  }
}

/**
 * The store of a folder: the one wanted, else the one the folder knows of, else the folder itself. What is wanted is kept for the next.
 *
 * @throws {InfraFabricError} `ledger.store.address`; `ledger.store.other` when the folder has a log in another kind of store: one key for two logs would look like a fork
 */
export function chooseStore(path: string, databasePath: string, wanted: LedgerStore | undefined): LedgerStore {
  const known = readStoreFile(path)
  if (wanted === undefined) return known ?? { kind: 'sqlite' }
  const other = (where: string) =>
    new InfraFabricError('ledger.store.other', `the log of this key is in ${where}: a second one would look like a fork of it`)
  if (wanted.kind === 'sqlite') {
    if (known?.kind === 'redis') throw other(placeOf(parseRedisUrl(known.url)))
    return wanted
  }
  if (existsSync(databasePath)) throw other(databasePath)
  const { holder: _, ...kept } = wanted
  const text = `${JSON.stringify(kept)}\n`
  if (known === null || readFileSync(path, 'utf8') !== text) replaceFile(path, text)
  return wanted
}

function replaceFile(path: string, text: string): void {
  const made = `${path}.${process.pid}`
  try {
    writeFileSync(made, text, { mode: 0o600, flush: true })
    renameSync(made, path)
  } catch (error) {
    rmSync(made, { force: true })
    throw error
  }
}
