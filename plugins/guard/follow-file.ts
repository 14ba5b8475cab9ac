import { readFile } from 'node:fs/promises'
import { type Clock, ConfigError, errorCode, fileVersion } from '#kernel'

/** A value that follows its file. */
export interface FollowedFile<T> {
  /** What the last good file said. */
  readonly current: () => T
  /** Problems of the file as it is now; empty while the value is the file's. */
  readonly problems: () => readonly string[]
  /** Reads the file now, each call in its turn. @returns the problems that left the value as it was; empty when it was taken */
  readonly reload: () => Promise<readonly string[]>
  /** Stops following the file; resolves when no reading is under way. */
  readonly close: () => Promise<void>
}

export interface FollowedFileConfig<T> {
  readonly path: string
  /** Pure. @throws {ConfigError} with every problem of the text */
  readonly parse: (text: string, path: string) => T
  /** How often the file is looked at; a change is taken once two looks in a row found the same, so that a file is not read half written. */
  readonly pollMs: number
  readonly clock: Clock
  /** Told after each reading but the first: what is in force now, and the problems of the file when it was refused. */
  readonly onReading: (current: T, problems: readonly string[]) => void
}

/**
 * Reads a file and follows it by looking at it, which also sees what file notifications miss (network file systems, files mounted by symbolic link).
 *
 * @throws {ConfigError} when the first reading finds problems or no file
 */
export async function followFile<T>(config: FollowedFileConfig<T>): Promise<FollowedFile<T>> {
  const { path, parse, pollMs, clock, onReading } = config
  const read = async (): Promise<{ value: T; version: string }> => {
    const version = fileVersion(path)
    try {
      return { value: parse(await readFile(path, 'utf8'), path), version }
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw new ConfigError(path, [`cannot be read (${errorCode(error)})`])
    }
  }
  const first = await read()
  let current = first.value
  let loadedVersion = first.version
  let lastVersion = first.version
  let problems: readonly string[] = []
  let closed = false
  let turn: Promise<unknown> = Promise.resolve()

  const load = async (): Promise<readonly string[]> => {
    try {
      const next = await read()
      current = next.value
      loadedVersion = next.version
      problems = []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      loadedVersion = fileVersion(path)
      problems = error.problems
    }
    onReading(current, problems)
    return problems
  }
  const reload = (): Promise<readonly string[]> => {
    const next = turn.then(load)
    turn = next.catch(() => undefined)
    return next
  }
  const look = async (): Promise<void> => {
    const version = fileVersion(path)
    const settled = version === lastVersion
    lastVersion = version
    if (settled && version !== loadedVersion) await reload()
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
