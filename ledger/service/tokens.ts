/**
 * Bearer tokens: a file of 0600 that holds the SHA-256 of each, never the token. A token is 32 random octets, so that a plain hash is as good as a slow one.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { z } from 'zod'
import { errorCode, fileVersion, InfraFabricError } from '#kernel'

export const roles = ['producer', 'auditor', 'escalator', 'admin'] as const
export type Role = (typeof roles)[number]

/**
 * Whoever holds a token. Idempotency keys belong to a name, so a token that takes over from another has the same name.
 */
export interface Caller {
  /** Eight hex digits, by which a token is told of in lists and logs. */
  readonly id: string
  readonly name: string
  readonly role: Role
}

const storedToken = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8}$/),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  role: z.enum(roles),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created: z.iso.datetime()
})
/** `checksum` is of the tokens as JSON; a file written by hand has none. */
const storedTokens = z.strictObject({ tokens: z.array(storedToken).max(1000), checksum: z.string().optional() })
const checksumOf = (tokens: readonly unknown[]): string => hash('sha256', JSON.stringify(tokens), 'hex')
export type StoredToken = Readonly<z.infer<typeof storedToken>>

const digest = (token: string): Buffer => hash('sha256', token, 'buffer')

/** Tokens in the file; none when there is no file. @throws {InfraFabricError} `ledger.tokens.unreadable`, `ledger.tokens.permissions` */
export function readTokens(path: string): readonly StoredToken[] {
  let text: string
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new InfraFabricError('ledger.tokens.permissions', `${path} can be read by others: expected mode 0600`)
    }
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
  try {
    const { tokens, checksum } = storedTokens.parse(JSON.parse(text))
    if (checksum !== undefined && checksum !== checksumOf(tokens)) throw new Error('the checksum is another')
    return tokens
  } catch (error) {
    throw new InfraFabricError('ledger.tokens.unreadable', `${path} is no file of tokens`, { cause: error })
  }
}

function writeTokens(path: string, tokens: readonly StoredToken[]): void {
  const made = `${path}.${randomBytes(4).toString('hex')}`
  const file = openSync(made, 'wx', 0o600)
  try {
    writeSync(file, `${JSON.stringify({ tokens, checksum: checksumOf(tokens) }, null, 2)}\n`)
    fsyncSync(file)
    renameSync(made, path)
  } catch (error) {
    rmSync(made, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
}

/**
 * Makes a token. It is given here once and kept nowhere.
 *
 * @param name lower-case letters, digits and dashes, at most 40
 * @throws {InfraFabricError} `ledger.tokens.name` and as {@link readTokens}
 */
export function addToken(path: string, name: string, role: Role, nowMs: number): { readonly token: string; readonly id: string } {
  if (!storedToken.shape.name.safeParse(name).success) {
    throw new InfraFabricError(
      'ledger.tokens.name',
      'the name of a token has 1 to 40 lower-case letters, digits and dashes, no dash first'
    )
  }
  const token = `ifw_${randomBytes(32).toString('base64url')}`
  const id = randomBytes(4).toString('hex')
  const stored = { id, name, role, sha256: digest(token).toString('hex'), created: new Date(nowMs).toISOString() }
  writeTokens(path, [...readTokens(path), stored])
  return { token, id }
}

/** @returns whether there was such a token */
export function revokeToken(path: string, id: string): boolean {
  const tokens = readTokens(path)
  const kept = tokens.filter((token) => token.id !== id)
  if (kept.length === tokens.length) return false
  writeTokens(path, kept)
  return true
}

export interface TokenBook {
  /** Who holds this token; null when nobody does. Takes as long for every token in the file. */
  readonly callerOf: (token: string) => Caller | null
  /** Whether a token has not been revoked since. */
  readonly isGood: (id: string) => boolean
}

const lookAgainMs = 500
/** Of the token that is in no file. */
const ownId = '00000000'

/**
 * The file as it is now: looked at again twice a second at most, and for every token it does not know, so that a token is good as soon as it is made.
 * A file that has become unreadable holds no tokens.
 *
 * @param onProblem told the code, once for each change of the file
 * @param ownToken of an admin that is in no file
 */
export function openTokenBook(
  path: string,
  monotonicMs: () => number,
  onProblem: (code: string) => void,
  ownToken?: string
): TokenBook {
  const own = ownToken === undefined ? [] : [{ id: ownId, name: 'suite', role: 'admin' as const, digest: digest(ownToken) }]
  let tokens: readonly (StoredToken & { readonly digest: Buffer })[] = []
  let version = ''
  let lookedAt = Number.NEGATIVE_INFINITY
  const refresh = (olderThanMs = lookAgainMs) => {
    if (monotonicMs() - lookedAt < olderThanMs) return
    lookedAt = monotonicMs()
    const now = fileVersion(path)
    if (now === version) return
    version = now
    try {
      tokens = readTokens(path).map((token) => ({ ...token, digest: Buffer.from(token.sha256, 'hex') }))
    } catch (error) {
      tokens = []
      onProblem(errorCode(error))
    }
  }
  const holderOf = (presented: Buffer): Caller | null => {
    let caller: Caller | null = null
    for (const { digest: expected, id, name, role } of [...own, ...tokens]) {
      if (timingSafeEqual(expected, presented)) caller = { id, name, role }
    }
    return caller
  }
  return {
    callerOf: (token) => {
      refresh()
      const presented = digest(token)
      const caller = holderOf(presented)
      if (caller !== null) return caller
      refresh(0)
      return holderOf(presented)
    },
    isGood: (id) => {
      refresh()
      return tokens.some((token) => token.id === id) || own.some((token) => token.id === id)
    }
  }
}
