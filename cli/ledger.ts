import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Ledger, LedgerEntry, LedgerReader } from '#ledger'
import { type Arguments, CommandError } from './arguments.ts'
import { dataFolder } from './command.ts'
import { readInput } from './files.ts'

/** An entry with its stored bytes and hash. */
export type StoredEntry = Awaited<ReturnType<LedgerReader['query']>>[number]

/** Folder of the ledger. */
export function ledgerFolder(args: Arguments): string {
  const given = args.value('ledger')
  return given === undefined ? join(dataFolder(args), 'ledger') : resolve(given)
}

/** Files of the ledger in `folder`. @throws {CommandError} `cli.ledger.absent` when there is none */
export async function existingLedger(
  folder: string
): Promise<{ readonly database: string; readonly published: string; readonly vkey: string; readonly frames: string }> {
  const { ledgerFiles } = await import('#ledger')
  const files = ledgerFiles(folder)
  if (!existsSync(files.database)) throw new CommandError('cli.ledger.absent', `there is no ledger in ${folder}`)
  return files
}

/**
 * Opens the ledger in `folder` for reading, gives it to `use` and closes it.
 *
 * @throws {CommandError} `cli.ledger.absent`, `cli.ledger.unreadable`
 */
export async function withReader<T>(folder: string, use: (reader: LedgerReader) => Promise<T>): Promise<T> {
  const { database } = await existingLedger(folder)
  const { openLedgerReader } = await import('#ledger')
  let reader: LedgerReader
  try {
    reader = openLedgerReader(database)
    await reader.size()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CommandError('cli.ledger.unreadable', `${database} cannot be read: ${why}`, { cause })
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
 * Opens the ledger in `folder` for appending, gives it to `use` and closes it.
 *
 * @throws {CommandError} `cli.ledger.absent`; {InfraFabricError} as openLedger
 */
export async function withLedger<T>(folder: string, use: (ledger: Ledger) => Promise<T>): Promise<T> {
  const { vkey } = await existingLedger(folder)
  const { openLedger } = await import('#ledger')
  const { silentLog } = await import('#kernel')
  const ledger = await openLedger({ dir: folder, origin: readFileSync(vkey, 'utf8').split('+')[0]!, log: silentLog })
  try {
    return await use(ledger)
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
