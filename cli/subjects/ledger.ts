import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf, silentLog } from '#kernel'
import {
  type AppendItem,
  appendOnce,
  bundleOfFolder,
  type Ledger,
  type LedgerEntry,
  type LedgerReader,
  ledgerFiles,
  openLedger,
  openReader,
  type Place
} from '#ledger'
import { dataFolder } from '../command.ts'
import { type Arguments, CommandError, UsageError } from '../line/arguments.ts'
import type { Output } from '../show/output.ts'
import { readInput } from './files.ts'

/** An entry with its stored bytes and hash. */
export type StoredEntry = Awaited<ReturnType<LedgerReader['query']>>[number]

/** Whether a ledger is named by the address of a Redis server instead of its folder: `redis://host#council.example/witness`. */
export const isServerAddress = (place: string): boolean => place.startsWith('redis') && /^rediss?[:+]/.test(place)

/** Folder of the ledger, or the address of its server, which is enough to read it. */
export function ledgerPlace(args: Arguments): string {
  const given = args.value('ledger')
  if (given === undefined) return resolve(dataFolder(args), 'ledger')
  return isServerAddress(given) ? given : resolve(given)
}

/** Folder of the ledger. @throws {UsageError} when it is named by the address of its server */
export function ledgerFolder(args: Arguments): string {
  const place = ledgerPlace(args)
  if (isServerAddress(place)) throw new UsageError('--ledger: the folder with its keys is needed, not the address of its server')
  return place
}

/** A log in Redis has one writer at a time: what this command was to write, it did not, and somebody has to be told how it goes. */
async function asLeader<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'ledger.store.not-leader') throw cause
    const wayOut = 'nothing was changed. Stop that process, which gives the log back, run this again, then start it anew'
    throw new CommandError('ledger.store.not-leader', `${cause.message}: ${wayOut}`, { cause })
  }
}

/** Files of the ledger in `folder`. @throws {CommandError} `cli.ledger.absent` when there is none */
export async function existingLedger(folder: string): Promise<ReturnType<typeof ledgerFiles>> {
  const files = ledgerFiles(folder)
  if (!existsSync(files.database) && !existsSync(files.store) && bundleOfFolder(folder) === null)
    throw new CommandError('cli.ledger.absent', `there is no ledger in ${folder}`)
  return files
}

/**
 * Opens a ledger for reading, gives it to `use` and closes it.
 *
 * @param place as {@link ledgerPlace} gives it
 * @throws {CommandError} `cli.ledger.absent`, `cli.ledger.unreadable`
 */
export async function withReader<T>(place: string, use: (reader: LedgerReader) => Promise<T>): Promise<T> {
  if (!isServerAddress(place)) await existingLedger(place)
  let reader: LedgerReader
  try {
    reader = await openReader(place)
    await reader.size()
  } catch (cause) {
    const why = messageOf(cause)
    const where = isServerAddress(place) ? 'the ledger' : place
    throw new CommandError('cli.ledger.unreadable', `${where} cannot be read: ${why}`, { cause })
  }
  try {
    return await use(reader)
  } finally {
    await reader.close()
  }
}

/** Entry as the commands give it as JSON: as it is stored, with its hash, and what lies beside the log. */
export function entryJson({ entry, hash, erasable }: StoredEntry): LedgerEntry & Pick<StoredEntry, 'hash' | 'erasable'> {
  return { ...entry, hash, ...(erasable === undefined ? {} : { erasable }) }
}

/**
 * Appends to the ledger in `folder`, all or none. What the ledger warns of is told on stderr.
 *
 * @throws {CommandError} `cli.ledger.absent`; {InfraFabricError} as appendOnce
 */
export async function appendTo(folder: string, items: readonly AppendItem[], output: Output): Promise<readonly Place[]> {
  const { vkey } = await existingLedger(folder)
  const origin = readFileSync(vkey, 'utf8').split('+')[0]!
  return asLeader(() => appendOnce({ dir: folder, origin }, items, (code, message) => output.talk(`ifctl: ${message} (${code})`)))
}

/**
 * Opens the ledger in `folder` for appending, gives it to `use` and closes it.
 *
 * @throws {CommandError} `cli.ledger.absent`; {InfraFabricError} as openLedger
 */
export async function withLedger<T>(folder: string, use: (ledger: Ledger) => Promise<T>): Promise<T> {
  const { vkey } = await existingLedger(folder)
  const ledger = await openLedger({ dir: folder, origin: readFileSync(vkey, 'utf8').split('+')[0]!, log: silentLog })
  try {
    return await asLeader(() => use(ledger))
  } finally {
    await ledger.close()
  }
}

/** A public key given as itself or as a file with it, or the files' lines: one key a line, `#` begins a comment. */
export async function keysGiven(given: string): Promise<string[]> {
  const text = existsSync(given) ? (await readInput(given)).toString('utf8') : given
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}
