import { realpathSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import type { Command } from '../command.ts'
import type { Option } from '../line/arguments.ts'
import { isObject } from './json-rpc.ts'

/** A tool as `tools/list` tells it. */
export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: object
  readonly outputSchema: object
  readonly annotations: {
    readonly readOnlyHint: boolean
    readonly destructiveHint: false
    readonly idempotentHint: boolean
    readonly openWorldHint: boolean
  }
}

/** What whoever started the server lets agents do. */
export interface Scope {
  /** Folder of the files that may be named, absolute; null: none may. */
  readonly files: string | null
  /** Only commands that change nothing. */
  readonly readOnly: boolean
}

/** Arguments that no command could make sense of; the message names the argument. */
export class ToolInputError extends Error {}

const longestValue = 65_536
const mostFollowSeconds = 60
const numeric = ['N', 'S', 'SECONDS', 'SECOND', 'SCORE', 'PERCENT', 'MB']

const operandKey = (operand: string): string => operand.slice(1, -1).replaceAll(/[^a-z0-9]+/g, '_')
const isOptional = (operand: string): boolean => operand.startsWith('[')

/** Options of a command that an agent may give. */
function offeredOptions({ options }: Command, { files }: Scope): Option[] {
  return options.filter(
    ({ place, path, forAgents }) => place !== true && forAgents !== false && (path !== true || files !== null)
  )
}

function offeredOperands({ operands, paths = [] }: Command, { files }: Scope): string[] {
  return operands.filter((operand) => files !== null || !paths.includes(operand))
}

/** Commands that are tools: those that change nothing or are safe, and need no file where none may be named. */
export function toolCommands(commands: readonly Command[], scope: Scope): Map<string, Command> {
  const offered = commands.filter(
    (command) =>
      command.forAgents !== false &&
      (command.effect === 'reads' || (command.effect === 'safe' && !scope.readOnly)) &&
      (command.paths ?? []).every((operand) => scope.files !== null || isOptional(operand))
  )
  return new Map(offered.map((command) => [command.words.join('_'), command]))
}

/** What every tool returns: see the docstring of runTool. */
const outputSchema = {
  type: 'object',
  properties: {
    exitCode: { type: ['integer', 'null'], description: 'exit code of the command; null where it was ended' },
    meaning: { type: 'string', description: 'what the exit code says' },
    data: { type: 'array', description: 'one JSON document, or one for each line of the answer' },
    truncated: { type: 'boolean', description: 'whether more was to come' },
    error: {
      type: 'object',
      properties: {
        code: { type: 'string' },
        message: { type: 'string' },
        hint: { type: 'string' },
        retryAt: { type: 'string', description: 'when to try again' }
      },
      required: ['code', 'message']
    }
  },
  required: ['exitCode', 'meaning', 'data', 'truncated'],
  additionalProperties: false
}

export function toolOf(name: string, command: Command, scope: Scope): Tool {
  const operands = offeredOperands(command, scope)
  const properties: Record<string, object> = {}
  for (const operand of operands) {
    const isPath = command.paths?.includes(operand) === true
    properties[operandKey(operand)] = {
      type: 'string',
      description: `${operand.slice(1, -1)}${isPath ? `, a path under ${scope.files}` : ''}`,
      ...(command.operandValues === undefined ? {} : { enum: command.operandValues })
    }
  }
  const options = offeredOptions(command, scope)
  for (const option of options) {
    if (option.name === 'follow')
      properties.follow_seconds = {
        type: 'integer',
        minimum: 1,
        maximum: mostFollowSeconds,
        description: 'wait so many seconds for what is yet to come'
      }
    else properties[option.name] = optionSchema(option)
  }
  return {
    name,
    title: command.words.join(' '),
    description: command.summary,
    inputSchema: {
      type: 'object',
      properties,
      required: [
        ...operands.filter((operand) => !isOptional(operand)).map(operandKey),
        ...options.filter(({ required }) => required).map(({ name }) => name)
      ],
      additionalProperties: false
    },
    outputSchema,
    annotations: {
      readOnlyHint: command.effect === 'reads',
      destructiveHint: false,
      idempotentHint: command.effect === 'reads',
      openWorldHint: command.openWorld === true
    }
  }
}

function optionSchema({ value, values, summary }: Option): object {
  if (value === undefined) return { type: 'boolean', description: summary }
  if (values !== undefined) return { type: 'string', enum: values, description: summary }
  return { type: numeric.includes(value) ? ['number', 'string'] : 'string', description: `${value}: ${summary}` }
}

/** A command line, and when to end it with SIGINT: a command that follows is done then. */
export interface ToolCall {
  readonly argv: readonly string[]
  readonly followMs: number | null
}

/**
 * The command line of a call, with `--json`. Values go behind `=` and operands behind `--`, so that none is taken for an option.
 *
 * @param input arguments as the agent gave them
 * @throws {ToolInputError}
 */
export function commandLine(command: Command, scope: Scope, input: unknown): ToolCall {
  if (!isObject(input)) throw new ToolInputError('arguments: expected an object')
  const options = offeredOptions(command, scope)
  const operands = offeredOperands(command, scope)
  const known = [...operands.map(operandKey), ...options.map(({ name }) => (name === 'follow' ? 'follow_seconds' : name))]
  for (const key of Object.keys(input))
    if (!known.includes(key))
      throw new ToolInputError(`${key}: no argument of this tool; there are: ${known.join(', ') || 'none'}`)
  const argv: string[] = [...command.words, '--json']
  let followMs: number | null = null
  for (const option of options) {
    const key = option.name === 'follow' ? 'follow_seconds' : option.name
    const given = input[key]
    if (given === undefined) continue
    if (option.name === 'follow') {
      followMs = 1000 * followSeconds(given)
      argv.push('--follow')
    } else if (option.value === undefined) {
      if (typeof given !== 'boolean') throw new ToolInputError(`${key}: expected true or false`)
      if (given) argv.push(`--${key}`)
    } else argv.push(`--${key}=${textOf(key, given, option, scope)}`)
  }
  const words = operands.flatMap((operand) => {
    const key = operandKey(operand)
    const given = input[key]
    if (given === undefined && isOptional(operand)) return []
    const isPath = command.paths?.includes(operand) === true
    const shape: Pick<Option, 'values' | 'path'> = {
      ...(command.operandValues === undefined ? {} : { values: command.operandValues }),
      ...(isPath ? { path: true } : {})
    }
    return [textOf(key, given, shape, scope)]
  })
  return { argv: [...argv, '--', ...words], followMs }
}

function followSeconds(given: unknown): number {
  if (typeof given === 'number' && Number.isInteger(given) && given >= 1 && given <= mostFollowSeconds) return given
  throw new ToolInputError(`follow_seconds: expected a whole number from 1 to ${mostFollowSeconds}`)
}

function textOf(
  key: string,
  given: unknown,
  { value, values, path }: Partial<Pick<Option, 'value' | 'values' | 'path'>>,
  { files }: Scope
): string {
  const text =
    typeof given === 'number' && Number.isFinite(given) && value !== undefined && numeric.includes(value) ? String(given) : given
  if (typeof text !== 'string') throw new ToolInputError(given === undefined ? `${key} is missing` : `${key}: expected a string`)
  if (text.length > longestValue) throw new ToolInputError(`${key}: longer than ${longestValue} characters`)
  if (text.includes('\0')) throw new ToolInputError(`${key}: holds a NUL character`)
  if (values !== undefined && !values.includes(text)) throw new ToolInputError(`${key}: expected one of ${values.join(', ')}`)
  if (path === true && !isUnder(files!, text)) throw new ToolInputError(`${key}: not a path under ${files}`)
  return text
}

/** Whether a path, links followed, lies in `folder`. What is not there counts by the nearest folder above it that is. */
function isUnder(folder: string, path: string): boolean {
  if (path === '-') return false
  const target = resolve(folder, path)
  let existing = target
  for (;;) {
    try {
      const found = relative(folder, realpathSync(existing))
      return found !== '..' && !found.startsWith('../') && !isAbsolute(found)
    } catch {
      if (dirname(existing) === existing) return false
      existing = dirname(existing)
    }
  }
}
