import { hash } from 'node:crypto'
import type { Json, JsonObject } from '#kernel'

/**
 * Canonical JSON text (RFC 8785) of what facts are made of: texts, truth values, safe whole numbers, lists and objects of them. An unpaired surrogate,
 * which I-JSON cannot carry, is written as U+FFFD.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return textJson(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as JsonObject
  let members = ''
  for (const name of Object.keys(object).sort())
    members += `${members === '' ? '' : ','}${textJson(name)}:${canonicalJson(object[name]!)}`
  return `{${members}}`
}

/** Nothing that JSON escapes, and no half of a character. */
const plain = /^[ !#-[\]-~]*$/

const textJson = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text.toWellFormed()))

/** SHA-256 of UTF-8, 64 hex digits. */
export const sha256 = (text: string): string => hash('sha256', text)
