import type { Verification } from '../verify/verify.ts'
import type { StoredEntry } from './reader.ts'

/** One entry as a line for people: leaf number, time of day, component, event and the payload, cut at `width` characters. */
export function entryLine({ entry }: Pick<StoredEntry, 'entry'>, width = 160): string {
  const facts = Object.entries(entry.payload)
    .filter(([name]) => name !== 'callId')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
  const line = `${String(entry.index).padStart(6)}  ${entry.time.slice(11, 23)}  ${entry.component.padEnd(20)} ${entry.event.padEnd(22)} ${facts}`
  return printable(line.length > width ? `${line.slice(0, width - 1)}…` : line)
}

/** Control characters shown, not obeyed: payloads hold what callers sent. */
function printable(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  )
}

/** A verification as a line for people. */
export function describeVerdict({ verdict, explanation, index }: Verification): string {
  return `${verdict}: ${explanation}${index === null ? '' : ` (entry ${index})`}`
}
