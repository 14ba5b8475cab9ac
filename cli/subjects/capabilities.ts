import { UsageError } from '../line/arguments.ts'

/** Reads `code.rust:0.8,law`: names with levels, 1 where none is given. @throws {UsageError} naming `option` */
export function readCapabilities(text: string, option: string): Record<string, number> {
  const read: Record<string, number> = {}
  for (const part of text.split(',')) {
    const [name = '', level = '1', ...more] = part.trim().split(':')
    if (name === '' || more.length > 0 || !/^(0|1|0?\.\d+|0\.\d+|1\.0+)$/.test(level))
      throw new UsageError(`${option}: expected name:level by comma with levels from 0 to 1, not ${JSON.stringify(part)}`)
    read[name] = Number(level)
  }
  return read
}
