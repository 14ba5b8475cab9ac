import { createHash } from 'node:crypto'
import type { Json, JsonObject } from '#kernel'

/**
 * Canonical JSON text (RFC 8785) of what facts are made of: texts, truth values, safe whole numbers, lists and objects of them. An unpaired surrogate,
 * which I-JSON cannot carry, is written as U+FFFD.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return JSON.stringify(value.toWellFormed())
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as JsonObject
  const members = Object.keys(object).sort()
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonicalJson(object[name]!)}`).join(',')}}`
}

/** SHA-256 of UTF-8, 64 hex digits. */
export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')
