import { once } from 'node:events'
import { createReadStream, type ReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { CommandError, systemCode } from '../line/arguments.ts'

/** What is read whole has at most so many octets. */
const mostMiB = 64

/**
 * Reads a file, or stdin for `-`. A pipe is read until whoever writes to it ends.
 *
 * @throws {CommandError} `cli.file.unreadable`, `cli.file.too-large`
 */
export async function readInput(path: string): Promise<Buffer> {
  if (path === '-') return buffer(process.stdin)
  const parts: Buffer[] = []
  let octets = 0
  try {
    for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
      octets += part.length
      if (octets > mostMiB << 20) throw new CommandError('cli.file.too-large', `${path} has more than ${mostMiB} MiB`)
      parts.push(part)
    }
    return Buffer.concat(parts)
  } catch (cause) {
    throw cause instanceof CommandError ? cause : unreadable(path, cause)
  }
}

/**
 * Reads a file that lies where somebody else may have put it: what is no file is told, and not waited for.
 *
 * @throws {CommandError} `cli.file.unreadable`, `cli.file.too-large`
 */
export async function readBeside(path: string): Promise<Buffer> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  if (!found.isFile()) throw new CommandError('cli.file.unreadable', `${path} cannot be read (it is no file)`)
  return readInput(path)
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
