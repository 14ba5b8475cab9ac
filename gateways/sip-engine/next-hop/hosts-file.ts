/** Names that this machine knows by itself: they are never asked of a name server. */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { fileVersion } from '#kernel'

/** Addresses of a name; undefined for a name that is not known here. */
export type Hosts = (name: string) => readonly string[] | undefined

const maxOctets = 4_194_304
const lookAgainMs = 5000

/** Reads the text of a hosts file: name in lower case to its addresses, in order. @see hosts(5) */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const known = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const name of names) {
      const key = name.toLowerCase()
      const addresses = known.get(key)
      if (addresses === undefined) known.set(key, [address])
      else if (!addresses.includes(address)) addresses.push(address)
    }
  }
  return known
}

/**
 * The hosts file, read again when it has changed, and the names that RFC 6761 reserves: `localhost` is this machine, `invalid` is nobody. A
 * file that is not there, or too large, is as good as empty.
 */
export function createHosts(path: string, nowMs: () => number): Hosts {
  let known: ReadonlyMap<string, readonly string[]> = new Map()
  let version = ''
  let lookedMs = Number.NEGATIVE_INFINITY

  const refresh = (): void => {
    if (nowMs() - lookedMs < lookAgainMs) return
    lookedMs = nowMs()
    const found = fileVersion(path)
    if (found === version) return
    version = found
    try {
      const stat = statSync(path)
      known = stat.isFile() && stat.size <= maxOctets ? parseHosts(readFileSync(path, 'utf8')) : new Map()
    } catch {
      known = new Map()
    }
  }

  return (name) => {
    const key = name.toLowerCase().replace(/\.$/, '')
    if (key === 'invalid' || key.endsWith('.invalid')) return []
    refresh()
    const addresses = known.get(key)
    if (addresses !== undefined) return addresses
    return key === 'localhost' || key.endsWith('.localhost') ? ['127.0.0.1', '::1'] : undefined
  }
}
