import type { RunningGuard } from '#guard'
import { type Clock, fileVersion } from '#kernel'

/** How often the registry, and the credentials beside it, are looked at. */
export const registryPollMs = 1000

/** What became of the registry file. */
export type RegistryChange =
  | { readonly type: 'registry'; readonly ok: true; readonly parties: number }
  /** The file has problems: the registry in force is the one before. */
  | { readonly type: 'registry'; readonly ok: false; readonly problems: readonly string[] }

/**
 * Tells when the guard has taken another registry, or refuses the file it found.
 *
 * @returns how to stop watching.
 */
export function watchRegistry(
  guard: Pick<RunningGuard, 'registry' | 'registryProblems'>,
  clock: Clock,
  intervalMs: number,
  changed: (change: RegistryChange) => void
): () => void {
  let known = guard.registry()
  let knownProblems = guard.registryProblems().join('\n')
  let cancel = () => {}
  const look = () => {
    const registry = guard.registry()
    const problems = guard.registryProblems()
    if (registry !== known) changed({ type: 'registry', ok: true, parties: registry.parties.length })
    else if (problems.length > 0 && problems.join('\n') !== knownProblems) changed({ type: 'registry', ok: false, problems })
    known = registry
    knownProblems = problems.join('\n')
    cancel = clock.after(intervalMs, look)
  }
  cancel = clock.after(intervalMs, look)
  return () => cancel()
}

/**
 * Tells when a file was written, replaced or removed.
 *
 * @returns how to stop watching.
 */
export function watchFile(path: string, clock: Clock, intervalMs: number, changed: () => void): () => void {
  let known = fileVersion(path)
  let cancel = () => {}
  const look = () => {
    const now = fileVersion(path)
    if (now !== known) changed()
    known = now
    cancel = clock.after(intervalMs, look)
  }
  cancel = clock.after(intervalMs, look)
  return () => cancel()
}
