import { InfraFabricError } from '#kernel'
import type { LogStore } from '../store/store.ts'

/** How a commit fails: before it took effect, or with its effect in place and only the answer lost. */
export type Failure = 'not persisted' | 'persisted anyway'

/** A fake around a real store: the commits whose numbers (from 0) are in `failures` throw `code`. */
export function failingStore(store: LogStore, failures: ReadonlyMap<number, Failure>, code: string): LogStore {
  let number = 0
  return {
    ...store,
    commit: async (commit) => {
      const failure = failures.get(number++)
      if (failure === undefined) return store.commit(commit)
      if (failure === 'persisted anyway') await store.commit(commit)
      throw new InfraFabricError(code, failure)
    }
  }
}
