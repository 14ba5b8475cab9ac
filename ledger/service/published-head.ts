import { fileVersion } from '#kernel'
import type { Policy } from '../log/policy.ts'
import { latestPublished } from '../store/published.ts'

/** Gives the newest published head that meets the policy, and reads the file only when it has changed. Null while there is none. */
export function publishedHead(path: string, policy: Policy): () => string | null {
  let version = ''
  let newest: string | null = null
  return () => {
    const now = fileVersion(path)
    if (now === 'absent') return null
    if (now !== version) {
      newest = latestPublished(path, policy)
      version = now
    }
    return newest
  }
}
