/** What requests say: option tags, Allow, fields by their names. */
import { header, headerLines, type SipRequest } from '../../codec/message.ts'
import type { HeaderLine } from '../../codec/serialize.ts'
import type { ReadHeader } from '../../dialog/subscriptions.ts'

export function lists(name: string, option: string): (line: HeaderLine) => boolean {
  return ([each, value]) => each === name && hasOption(value, option)
}

export function hasOption(value: string, option: string): boolean {
  return value.split(',').some((each) => each.trim().toLowerCase() === option)
}

export function supports(message: SipRequest, option: string): boolean {
  return [...headerLines(message, 'supported'), ...headerLines(message, 'require')].some((value) => hasOption(value, option))
}

/** Whether Allow names UPDATE; null where there is none. */
export function allowsUpdate(message: SipRequest): boolean | null {
  const allowed = headerLines(message, 'allow')
  return allowed.length === 0 ? null : allowed.some((line) => hasOption(line, 'update'))
}

/** Reads header fields by the names that subscriptions use. */
export const receivedHeader =
  (message: SipRequest): ReadHeader =>
  (name) =>
    header(message, name.toLowerCase())
