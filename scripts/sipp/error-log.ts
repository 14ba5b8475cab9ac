/** The error file of SIPp (`-trace_err`) and its standard error: events, each opened by `date⇥time⇥seconds: text`. */

export interface SippError {
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number
  /** What SIPp says, without the message it quotes. */
  readonly text: string
  /** Start line of the SIP message that SIPp did not expect. */
  readonly received: string | null
  readonly callId: string | null
}

/** The events in order. Text before the first event is not an event and is left out. */
export function parseErrors(text: string): readonly SippError[] {
  const openings = [...text.matchAll(/\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\.\d+\t(\d+\.\d+): /g)]
  return openings.map((opening, index) => {
    const end = openings[index + 1]?.index ?? text.length
    const event = text.slice(opening.index + opening[0].length, end).trim()
    const quoted = /,? received '([^\r\n']*)/.exec(event)
    return {
      atMs: Math.round(Number(opening[1]) * 1000),
      text: (quoted === null ? event : event.slice(0, quoted.index)).split(/\r?\n/)[0]!.replace(/\.$/, ''),
      received: quoted?.[1] ?? null,
      callId: /Call-Id:? '([^']+)'/i.exec(event)?.[1] ?? null
    }
  })
}

/** Values of one header field in the messages that SIPp sent, in order, from its message log (`messages.log`). */
export function sentHeader(messages: string, name: string): readonly string[] {
  const sent = messages.split(/^-{40,} .*$/m).filter((entry) => /^\s*\w+ message sent/.test(entry))
  const prefix = `${name.toLowerCase()}:`
  return sent
    .flatMap((entry) => entry.split(/\r?\n/))
    .filter((line) => line.toLowerCase().startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim())
}
