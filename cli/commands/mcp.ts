import { realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, dataFolder, type Run, registryPath } from '../command.ts'
import { commands } from '../commands.ts'
import { type Arguments, CommandError, systemCode } from '../line/arguments.ts'
import { exitCodes } from '../line/exit-codes.ts'
import { version } from '../line/version.ts'
import { failure, rpcCodes } from '../mcp/json-rpc.ts'
import { boundedLines } from '../mcp/lines.ts'
import { runTool } from '../mcp/run-tool.ts'
import { createMcpServer } from '../mcp/server.ts'
import type { Scope, ToolCall } from '../mcp/tools.ts'

const longestLine = 1 << 20
const mostOutput = 1 << 20

/** Serves the protocol on stdin and stdout until stdin ends or SIGINT, SIGTERM or SIGHUP comes. */
export const run: Run = async (args, output) => {
  const scope: Scope = { files: filesFolder(args), readOnly: args.has('read-only') }
  const limits = { timeoutMs: 1000 * (args.wholeNumber('timeout', 1, 600) ?? 60), outputOctets: mostOutput }
  const places = commands.find(({ words }) => words[0] === 'mcp')!.options.filter(({ place }) => place === true)
  const surroundings = { env: environment(args), cwd: scope.files ?? process.cwd() }
  /** With the places that this server was given, where the command knows them. */
  const placed = (command: Command, { argv, followMs }: ToolCall): ToolCall => {
    const own = places.flatMap(({ name }) => {
      const given = args.value(name)
      const isKnown = command.options.some((option) => option.name === name)
      return given === undefined || !isKnown ? [] : [`--${name}=${absolute(given)}`]
    })
    const { length } = command.words
    return { argv: [...argv.slice(0, length), ...own, ...argv.slice(length)], followMs }
  }
  const server = createMcpServer({
    version: version(),
    commands,
    scope,
    run: (command, call, signal) => runTool(placed(command, call), limits, surroundings, signal),
    send: output.document
  })
  const stop = (): void => void process.stdin.destroy()
  output.whenGone(stop)
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop)
  try {
    for await (const line of boundedLines(process.stdin, longestLine))
      if (line.kind === 'line') await server.take(line.text)
      else {
        const message = `a line is longer than ${longestLine} octets`
        await output.document(failure(null, { code: rpcCodes.invalidRequest, message }))
      }
  } catch (error) {
    if (systemCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  } finally {
    await server.close()
    process.off('SIGINT', stop).off('SIGTERM', stop).off('SIGHUP', stop)
  }
  return exitCodes.ok
}

/** @throws {CommandError} `mcp.files` where it is no folder */
function filesFolder(args: Arguments): string | null {
  const given = args.value('files')
  if (given === undefined) return null
  try {
    const folder = realpathSync(given)
    if (statSync(folder).isDirectory()) return folder
  } catch {
    // told below
  }
  throw new CommandError('mcp.files', `${given} is no folder`)
}

/** A folder or file from anywhere; the address of a server as it is. */
const absolute = (place: string): string => (/^rediss?[:+]/.test(place) ? place : resolve(place))

/** The environment of commands: their places as this process understands them, wherever they run. */
function environment(args: Arguments): NodeJS.ProcessEnv {
  const { IF_STORE: store, IFCTL_DEBUG: _, ...kept } = process.env
  return {
    ...kept,
    NO_COLOR: '1',
    IF_DATA: dataFolder(args),
    IF_REGISTRY: registryPath(args),
    ...(store === undefined ? {} : { IF_STORE: absolute(store) })
  }
}
