import { once } from 'node:events'
import { createReadStream, type ReadStream } from 'node:fs'
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
    throw unreadable(path, cause)
  }
}

/**
 * Opens a file that is sent on later: that it cannot be read is told before anybody listens to it.
 *
 * @throws {CommandError} `cli.file.unreadable`
 */
export async function openInput(path: string): Promise<ReadStream> {
  const stream = createReadStream(path)
  try {
    await once(stream, 'open')
    return stream
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

const unreadable = (path: string, cause: unknown) =>
  new CommandError('cli.file.unreadable', `${path} cannot be read (${systemCode(cause)})`, { cause })
