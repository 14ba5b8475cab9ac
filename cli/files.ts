import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { CommandError, systemCode } from './arguments.ts'

/**
 * Reads a file, or stdin for `-`.
 *
 * @throws {CommandError} `cli.file.unreadable`
 */
export async function readInput(path: string): Promise<Buffer> {
  if (path === '-') return buffer(process.stdin)
  try {
    return await readFile(path)
  } catch (cause) {
    throw new CommandError('cli.file.unreadable', `${path} cannot be read (${systemCode(cause)})`, { cause })
  }
}
