import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { ConfigError } from '#kernel'
import { writePrivateFile } from './files.ts'

/** What the edge needs to check a digest: never a password. */
export interface DigestSecret {
  readonly realm: string
  /** MD5 of `user:realm:password`, 32 hex digits (RFC 3261 §22.4). */
  readonly ha1Md5: string
  /** SHA-256 of the same, 64 hex digits (RFC 8760). */
  readonly ha1Sha256: string
}

const userName = /^[^\s:"\\,<>]{1,128}$/

const schema = z.strictObject({
  users: z.record(
    z.string().regex(userName),
    z.strictObject({
      realm: z.string().min(1),
      ha1Md5: z
        .string()
        .regex(/^[0-9a-f]{32}$/)
        .nullable()
        .describe('null where the phone is not to use MD5'),
      ha1Sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .nullable()
        .describe('null for a phone that gives up at the sight of SHA-256'),
      password: z.string().optional().describe('Development only: what to type into a phone')
    })
  )
})

/** Users of the edge, as the credentials file holds them. */
export type Credentials = z.infer<typeof schema>

/** Both forms of HA1 for a password. */
export function digestSecret(user: string, realm: string, password: string): DigestSecret {
  const text = `${user}:${realm}:${password}`
  return {
    realm,
    ha1Md5: createHash('md5').update(text, 'utf8').digest('hex'),
    ha1Sha256: createHash('sha256').update(text, 'utf8').digest('hex')
  }
}

/**
 * Reads a credentials file; an absent one has no users.
 *
 * @throws {ConfigError} naming every problem and no secret.
 */
export async function readCredentials(file: string): Promise<Credentials> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { users: {} }
    throw error
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new ConfigError(file, ['not JSON'])
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success)
    throw new ConfigError(
      file,
      parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    )
  return parsed.data
}

/**
 * Gives every user without credentials in `realm` a random password of 128 bits, and writes the file (mode 0600) if that changed anything.
 *
 * @returns the credentials, and the users that got new ones.
 */
export async function ensureCredentials(
  file: string,
  realm: string,
  users: readonly string[]
): Promise<{ readonly credentials: Credentials; readonly added: readonly string[] }> {
  const credentials = await readCredentials(file)
  const added = users.filter((user) => credentials.users[user]?.realm !== realm)
  if (added.length === 0) return { credentials, added }
  const complete: Credentials = { users: { ...credentials.users } }
  for (const user of added) {
    const password = randomBytes(16).toString('base64url')
    complete.users[user] = { ...digestSecret(user, realm, password), password }
  }
  await writePrivateFile(file, `${JSON.stringify(complete, null, 2)}\n`)
  return { credentials: complete, added }
}
