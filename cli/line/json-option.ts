import type { JsonObject } from '#kernel'
import { UsageError } from './arguments.ts'

/** Reads a JSON object. @throws {UsageError} naming `option` */
export function readObject(text: string, option: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch {
    throw new UsageError(`${option} is not JSON`)
  }
  throw new UsageError(`${option}: expected a JSON object`)
}
