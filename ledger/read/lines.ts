import type { Verification } from '../verify/verify.ts'
import type { StoredEntry } from './reader.ts'

/** One entry as a line for people: leaf number, time (UTC), component, event, trace, payload and what a model took, cut at `width` characters. */
export function entryLine({ entry }: Pick<StoredEntry, 'entry'>, width = 160): string {
  const { index, time, component, event, trace_id: trace, payload, model, tokens_in, tokens_out, cost } = entry
  const spent = Object.entries({ model, tokens_in, tokens_out, cost })
  const facts = [['trace', trace] as const, ...Object.entries(payload), ...spent]
    .filter(([name, value]) => name !== 'callId' && value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ')
  const when = time.slice(0, 23).replace('T', ' ')
  const line = `${String(index).padStart(6)}  ${when}  ${component.padEnd(20)} ${event.padEnd(22)} ${facts}`
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
