import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { errorCode, InfraFabricError } from '#kernel'

/**
 * Reads a file, or stdin for `-`.
 *
 * @throws {InfraFabricError} `cli.file.unreadable`
 */
export async function readInput(path: string): Promise<Buffer> {
  if (path === '-') return buffer(process.stdin)
  try {
    return await readFile(path)
  } catch (cause) {
    throw new InfraFabricError('cli.file.unreadable', `${path} cannot be read (${errorCode(cause)})`, { cause })
  }
}
