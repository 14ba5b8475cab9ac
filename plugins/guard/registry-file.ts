import { readFile, stat } from 'node:fs/promises'
import { type Clock, ConfigError, errorCode, type Log } from '#kernel'
import { parseRegistry, type Registry } from './registry.ts'

/** What a reload did. A file with problems leaves the registry as it was. */
export type ReloadOutcome =
  | { readonly ok: true; readonly parties: number }
  | { readonly ok: false; readonly problems: readonly string[] }

/** A registry that follows its file. */
export interface RegistryFile {
  /** The last good registry. */
  readonly current: () => Registry
  /** Problems of the file as it is now; empty while the registry is the file's. */
  readonly problems: () => readonly string[]
  /** Reads the file now. Calls made at once share one reading each in turn. */
  readonly reload: () => Promise<ReloadOutcome>
  /** Stops following the file; resolves when no reading is under way. */
  readonly close: () => Promise<void>
}

export interface RegistryFileConfig {
  readonly path: string
  readonly hazards: readonly string[]
  /** How often the file is looked at; a change is taken once two looks in a row found the same, so that a file is not read half written. */
  readonly pollMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * Reads the registry and follows its file by looking at it, which also sees what file notifications miss (network file systems, files mounted by symbolic link).
 *
 * @throws {ConfigError} when the first reading finds problems or no file
 */
export async function followRegistryFile(config: RegistryFileConfig): Promise<RegistryFile> {
  const { path, hazards, pollMs, clock, log } = config
  const read = async (): Promise<{ registry: Registry; print: string }> => {
    const print = await fingerprint(path)
    try {
      return { registry: parseRegistry(await readFile(path, 'utf8'), path, hazards), print }
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw new ConfigError(path, [`cannot be read (${errorCode(error)})`])
    }
  }
  const first = await read()
  let current = first.registry
  let loadedPrint = first.print
  let lastPrint = first.print
  let problems: readonly string[] = []
  let closed = false
  let turn: Promise<unknown> = Promise.resolve()

  const load = async (): Promise<ReloadOutcome> => {
    try {
      const next = await read()
      current = next.registry
      loadedPrint = next.print
      problems = []
      log.info({ path, parties: current.parties.length }, 'guard registry loaded')
      return { ok: true, parties: current.parties.length }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      loadedPrint = await fingerprint(path)
      problems = error.problems
      log.error({ path, problems }, 'guard registry refused, the one before stays')
      return { ok: false, problems }
    }
  }
  const reload = (): Promise<ReloadOutcome> => {
    const next = turn.then(load)
    turn = next.catch(() => undefined)
    return next
  }
  const look = async (): Promise<void> => {
    const print = await fingerprint(path)
    const settled = print === lastPrint
    lastPrint = print
    if (settled && print !== loadedPrint) await reload()
  }
  let looking: Promise<void> = Promise.resolve()
  let cancel = (): void => undefined
  const schedule = (): void => {
    cancel = clock.after(pollMs, () => {
      looking = look().finally(() => {
        if (!closed) schedule()
      })
    })
  }
  schedule()
  return {
    current: () => current,
    problems: () => problems,
    reload,
    close: async () => {
      closed = true
      cancel()
      await looking
      await turn
    }
  }
}

/** Changes whenever the file does; `absent` when it cannot be looked at. */
async function fingerprint(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch {
    return 'absent'
  }
}
