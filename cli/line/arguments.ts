/** An option of a command; without `value` it is a flag. */
export interface Option {
  /** Without the dashes. */
  readonly name: string
  /** What its value is, for the help: `FILE`. */
  readonly value?: string
  readonly summary: string
  /** All that the value may be, where that is a short list. */
  readonly values?: readonly string[]
  /** Whether the command cannot do without. */
  readonly required?: true
  /** Whether the value is, or may be, a path of a file or folder. */
  readonly path?: true
  /** Whether it says where state lies: chosen by whoever starts `ifctl mcp`, not by an agent. */
  readonly place?: true
  /** False where it makes the command change or reveal more than its `effect` tells: agents are not offered it. */
  readonly forAgents?: false
}

/** Options that every command takes. */
export const commonOptions: readonly Option[] = [
  { name: 'json', summary: 'data as JSON: one document, or one object a line' },
  { name: 'help', summary: 'what the command does' }
]

/** A command line that cannot be used. */
export class UsageError extends Error {
  /** The word that is not known and the words that would be, with what stands before them: for a suggestion. `told`: the message names them all. */
  readonly unknown:
    | { readonly typed: string; readonly known: readonly string[]; readonly before: string; readonly told?: true }
    | undefined

  constructor(message: string, unknown?: UsageError['unknown']) {
    super(message)
    this.name = 'UsageError'
    this.unknown = unknown
  }
}

/**
 * A command that could not do its work. `code` is stable, like that of an InfraFabricError; the kernel is not loaded for it, since that would double
 * the time a small command takes to start.
 */
export class CommandError extends Error {
  readonly code: string
  /** When to try again, ISO 8601. */
  readonly retryAt: string | undefined

  constructor(code: string, message: string, options: ErrorOptions & { readonly retryAt?: string } = {}) {
    super(message, options)
    this.name = 'CommandError'
    this.code = code
    this.retryAt = options.retryAt
  }
}

/** The code of an error of Node's (`ENOENT`), else `unknown`. */
export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

/** What stood on the command line after the command. */
export interface Arguments {
  readonly operands: readonly string[]
  readonly has: (flag: string) => boolean
  /** Value of an option, undefined when it is not given. */
  readonly value: (option: string) => string | undefined
  /** Value of an option that the command says is required. */
  readonly required: (option: string) => string
  /** A whole number in the range. @throws {UsageError} otherwise */
  readonly wholeNumber: (option: string, least: number, most: number) => number | undefined
}

/**
 * Reads `--name value`, `--name=value`, `--flag` and operands in any order; `--` ends the options.
 *
 * @throws {UsageError} for an unknown, repeated or missing option, a missing or superfluous value, or too few or too many operands
 */
export function parseArguments(args: readonly string[], options: readonly Option[], operandNames: readonly string[]): Arguments {
  const values = new Map<string, string>()
  const operands: string[] = []
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--') {
      operands.push(...args.slice(at + 1))
      break
    }
    if (!arg.startsWith('-') || arg === '-') {
      operands.push(arg)
      continue
    }
    const equals = arg.indexOf('=')
    const written = equals < 0 ? arg : arg.slice(0, equals)
    const option = options.find(({ name }) => written === `--${name}`)
    if (option === undefined) {
      const known = options.map(({ name }) => name)
      throw new UsageError(`unknown option ${written}`, { typed: written.replace(/^-+/, ''), known, before: '--' })
    }
    if (values.has(option.name)) throw new UsageError(`${written} is given twice`)
    if (option.value === undefined) {
      if (equals >= 0) throw new UsageError(`${written} takes no value`)
      values.set(option.name, '')
    } else if (equals >= 0) values.set(option.name, arg.slice(equals + 1))
    else {
      const next = args[++at]
      if (next === undefined || next.startsWith('--'))
        throw new UsageError(`${written} needs a value: ${written} ${option.value}`)
      values.set(option.name, next)
    }
    const given = values.get(option.name)!
    if (option.values !== undefined && !option.values.includes(given)) {
      const unknown = { typed: given, known: option.values, before: `${written} `, told: true } as const
      throw new UsageError(`${written}: expected one of ${option.values.join(', ')}`, unknown)
    }
  }
  const missing = operandNames[operands.length]
  if (missing !== undefined && !missing.startsWith('[')) throw new UsageError(`${missing} is missing`)
  const lacking = options.filter(({ name, required }) => required && !values.get(name)).map(({ name }) => `--${name}`)
  if (lacking.length > 0) throw new UsageError(`${lacking.join(', ')} ${lacking.length === 1 ? 'is' : 'are'} missing`)
  if (operands.length > operandNames.length) throw new UsageError(`unexpected ${JSON.stringify(operands[operandNames.length])}`)
  return {
    operands,
    has: (flag) => values.has(flag),
    value: (option) => values.get(option),
    required: (option) => {
      const value = values.get(option)
      if (value === undefined) throw new Error(`--${option} is not declared as required`)
      return value
    },
    wholeNumber: (option, least, most) => {
      const text = values.get(option)
      if (text === undefined) return undefined
      const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      if (!(number >= least && number <= most))
        throw new UsageError(`--${option}: expected a whole number from ${least} to ${most}`)
      return number
    }
  }
}
