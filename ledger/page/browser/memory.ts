/** What the browser keeps: the token while the tab is open, keys and the last good checkpoint for good. */
import { Malformed, parseCheckpoint, parseKey } from './note.ts'
import { parsePolicy } from './policy.ts'
import type { Trust } from './verdict.ts'

const tokenName = 'ledger.token'

/** A browser that keeps nothing for a page throws on each access. */
function attempt<T>(access: () => T, otherwise: T): T {
  try {
    return access()
  } catch {
    return otherwise
  }
}

export const token = {
  get: (): string | null => attempt(() => sessionStorage.getItem(tokenName), null),
  set: (value: string): void => attempt(() => sessionStorage.setItem(tokenName, value), undefined),
  clear: (): void => attempt(() => sessionStorage.removeItem(tokenName), undefined)
}

/**
 * What is known of a log from before.
 *
 * @param log a service has one log, whatever name it gives it today: null. Files are told apart by the name of their log
 */
export function trustMemory(log: string | null) {
  const name = log === null ? 'ledger.trust' : `ledger.trust:${log}`
  return {
    get: (): Trust | null => readTrust(attempt(() => localStorage.getItem(name), null)),
    set: (trust: Trust): boolean =>
      attempt(() => {
        localStorage.setItem(name, JSON.stringify(trust))
        return true
      }, false),
    clear: (): void => attempt(() => localStorage.removeItem(name), undefined)
  }
}
export type TrustMemory = ReturnType<typeof trustMemory>

function readTrust(text: string | null): Trust | null {
  if (text === null) return null
  try {
    const { key, policy, pinned, sinceMs, seen } = JSON.parse(text) as Trust
    return checkTrust({ key, policy, pinned: pinned === true, sinceMs: Number(sinceMs), seen })
  } catch {
    return null
  }
}

/** @throws {Malformed} for keys, a policy or a checkpoint that cannot be read */
export function checkTrust(trust: Trust): Trust {
  if (typeof trust.key !== 'string') throw new Malformed('There is no key.')
  const key = parseKey(trust.key).text
  if (trust.policy !== null) parsePolicy(trust.policy)
  if (trust.seen !== null) parseCheckpoint(trust.seen)
  return { ...trust, key }
}
