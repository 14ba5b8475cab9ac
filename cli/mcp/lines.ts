import type { Readable } from 'node:stream'

/** A line of input without its end, or the news that one was longer than allowed: its octets are gone. */
export type InputLine = { readonly kind: 'line'; readonly text: string } | { readonly kind: 'tooLong' }

const newline = 0x0a

/**
 * Splits a stream into lines, never keeping more than `mostOctets` of one. What stands behind the last line end is no line.
 *
 * @param mostOctets of a line, its end left out
 */
export async function* boundedLines(input: Readable, mostOctets: number): AsyncGenerator<InputLine> {
  let parts: Buffer[] = []
  let octets = 0
  for await (const chunk of input as AsyncIterable<Buffer>) {
    let from = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      octets += end - from
      if (octets > mostOctets) yield { kind: 'tooLong' }
      else yield { kind: 'line', text: Buffer.concat([...parts, chunk.subarray(from, end)]).toString('utf8') }
      parts = []
      octets = 0
      from = end + 1
    }
    octets += chunk.length - from
    if (octets <= mostOctets) parts.push(chunk.subarray(from))
    else parts = []
  }
}
