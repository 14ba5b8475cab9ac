import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { parseCheckpoint } from '../log/note.ts'
import { judgeCheckpoint, type Policy } from '../log/policy.ts'
import { latestPublished } from '../store/published.ts'

/** The newest head is near the end of a file that grows by a line each second. */
const tailOctets = 131_072

function isToBeServed(note: string, policy: Policy): boolean {
  try {
    return judgeCheckpoint(policy, parseCheckpoint(note)).quorum
  } catch {
    return false
  }
}

function newestOfTail(path: string, policy: Policy): string | null {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const tail = Buffer.alloc(Math.min(size, tailOctets))
    readSync(file, tail, 0, tail.length, size - tail.length)
    const lines = tail.toString('utf8').split('\n').slice(0, -1)
    if (tail.length < size) lines.shift()
    for (const line of lines.reverse()) {
      try {
        const note: unknown = JSON.parse(line)
        if (typeof note === 'string' && isToBeServed(note, policy)) return note
      } catch {
        // a line that was cut short by a crash: the one before it counts
      }
    }
    return null
  } finally {
    closeSync(file)
  }
}

/** Gives the newest published head that meets the policy, and reads the file only when it has changed. Null while there is none. */
export function publishedHead(path: string, policy: Policy): () => string | null {
  let version = ''
  let newest: string | null = null
  return () => {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return null
    const now = `${stat.ino} ${stat.size} ${stat.mtimeMs}`
    if (now !== version) {
      newest = newestOfTail(path, policy) ?? latestPublished(path, policy)
      version = now
    }
    return newest
  }
}
