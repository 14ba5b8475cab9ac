import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { ConfigError, errorCode } from '#kernel'
import { writePrivateFile } from '../data/files.ts'

const text = z.string().min(1).max(256)

const schema = z.strictObject({
  accounts: z
    .array(
      z.strictObject({
        /** User of the registry; an alias of its endpoint too. */
        name: text,
        /** What H.235.1 is computed with. */
        password: text,
        /** Other aliases it may register: names, numbers, URLs. */
        aliases: z.array(text).max(64).default([]),
        /** Numbers it may be the gateway for. */
        prefixes: z
          .array(z.string().regex(/^[0-9*#,]{1,32}$/))
          .max(64)
          .default([])
      })
    )
    .max(100_000)
})

/** Who may register with the gatekeeper, and as whom. */
export type H323Account = Readonly<z.infer<typeof schema>['accounts'][number]>

/**
 * Reads the accounts; an absent file has none.
 *
 * @throws {ConfigError} naming every problem and no password; also for a file that others may read
 */
export async function readAccounts(file: string): Promise<readonly H323Account[]> {
  let content: string
  try {
    if (((await stat(file)).mode & 0o077) !== 0) throw new ConfigError(file, ['can be read by others: expected mode 0600'])
    content = await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
  let value: unknown
  try {
    value = parse(content, { maxAliasCount: 100 })
  } catch {
    throw new ConfigError(file, ['not YAML'])
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success)
    throw new ConfigError(
      file,
      parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`)
    )
  return parsed.data.accounts
}

/** For development: gives every user without an account a random password of 128 bits. @returns all accounts */
export async function ensureAccounts(file: string, users: readonly string[]): Promise<readonly H323Account[]> {
  const accounts = await readAccounts(file)
  const known = new Set(accounts.map(({ name }) => name))
  const added = users
    .filter((name) => !known.has(name))
    .map((name) => ({ name, password: randomBytes(16).toString('base64url'), aliases: [], prefixes: [] }))
  if (added.length === 0) return accounts
  const complete = [...accounts, ...added]
  await writePrivateFile(file, stringify({ accounts: complete }))
  return complete
}
