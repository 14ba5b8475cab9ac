import { readFile } from 'node:fs/promises'
import { ConfigError, errorCode } from '#kernel'
import { decodeWav, type Sound } from '#media'

/** A WAV file that a setting names. @throws {ConfigError} of `part`, with `what` it is to be */
export async function readSoundFile(part: string, what: string, path: string): Promise<Sound> {
  try {
    return decodeWav(await readFile(path))
  } catch (error) {
    throw new ConfigError(part, [`${what} ${path}: ${errorCode(error)}`])
  }
}
