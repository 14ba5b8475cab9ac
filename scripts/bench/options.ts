import type { CAC } from 'cac'
import type { z } from 'zod'
import { ConfigError } from '#kernel'

/**
 * The options that a benchmark was started with; null where help was asked for, and told.
 *
 * @throws {ConfigError} naming every option that cannot be used
 */
export function readOptions<T>(program: CAC, schema: z.ZodType<T>): T | null {
  program.help()
  const given = program.parse().options
  if (given.help) return null
  const options = schema.safeParse(given)
  if (options.success) return options.data
  throw new ConfigError(
    program.name,
    options.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`)
  )
}
