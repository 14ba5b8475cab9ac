import { randomUUID } from 'node:crypto'

const hex = Buffer.from('0123456789abcdef')
const text = Buffer.from(randomUUID())
const counted = 12

/**
 * An id in the form of a UUID, unique in this process and, by its random part, among processes. Ids are names and no secrets: an application is
 * asked for more than an id before it may do anything. Counting costs less than half of drawing 16 random octets.
 */
export function newId(): string {
  for (let at = text.length - 1; at >= text.length - counted; at--) {
    const digit = text[at]!
    const value = digit < 58 ? digit - 48 : digit - 87
    if (value < 15) {
      text[at] = hex[value + 1]!
      break
    }
    text[at] = hex[0]!
  }
  return text.toString('latin1')
}
