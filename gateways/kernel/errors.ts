/**
 * The one base of every error the suite throws.
 *
 * @remarks `code` is stable, documented and dotted from the general to the special (`ledger.store.full`); `message` is for people and may change.
 * Expected outcomes (486 Busy, an admission reject, a policy denial) are values, not errors.
 */
export class InfraFabricError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** Bytes that are not what a codec reads. `path` names the header, field or element; `bitOffset` counts from the first bit of the message. */
export class DecodeError extends InfraFabricError {
  readonly path: string
  readonly bitOffset: number

  constructor(code: string, message: string, where: { path: string; bitOffset: number }, options?: ErrorOptions) {
    super(code, `${message} (${where.path}, octet ${where.bitOffset >>> 3})`, options)
    this.path = where.path
    this.bitOffset = where.bitOffset
  }
}

/** A configuration that cannot be used. Every problem is reported at once, each with the path of the value and what was expected. */
export class ConfigError extends InfraFabricError {
  readonly problems: readonly string[]

  constructor(source: string, problems: readonly string[]) {
    super('config.invalid', `${source}: ${problems.join('; ')}`)
    this.problems = problems
  }
}

/** The `code` of an error of ours or of Node's (`ENOSPC`), else `unknown`: safe for records and metric labels, unlike the message. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'unknown'
}

/** What an error says, for people; of what is no error, its text. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
