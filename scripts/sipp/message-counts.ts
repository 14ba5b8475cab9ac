/** The message count file of SIPp (`-trace_counts`): per scenario step how many messages went out or came in. */
import { DecodeError } from '#kernel'

/** One step of the scenario. Counts are since the start of the run. */
export interface MessageCount {
  /** Position in the scenario, from 0. */
  readonly step: number
  /** Method, status code, `Pause` or what else SIPp calls the step. */
  readonly name: string
  readonly sent: number
  readonly received: number
  readonly retransmitted: number
  readonly timedOut: number
  readonly unexpected: number
}

const fields = { Sent: 'sent', Recv: 'received', Retrans: 'retransmitted', Timeout: 'timedOut', Unexp: 'unexpected' } as const

/** The last complete line of the file, step by step; empty when there is none. @throws {DecodeError} `sipp.message-counts` */
export function parseMessageCounts(text: string): readonly MessageCount[] {
  const lines = text.split('\n').slice(0, -1)
  if (lines.length < 2) return []
  const columns = lines[0]!.replace(/;?\r?$/, '').split(';')
  const cells = lines
    .at(-1)!
    .replace(/;?\r?$/, '')
    .split(';')
  if (columns[0] !== 'CurrentTime' || cells.length !== columns.length)
    throw new DecodeError('sipp.message-counts', 'not a message count file', { path: 'header', bitOffset: 0 })
  const steps = new Map<number, MessageCount>()
  for (const [index, column] of columns.entries()) {
    const match = /^(\d+)_(.*)_(Sent|Recv|Retrans|Timeout|Unexp)$/.exec(column)
    if (match === null) continue
    const step = Number(match[1])
    const name = match[2]!
    const none = { step, name, sent: 0, received: 0, retransmitted: 0, timedOut: 0, unexpected: 0 }
    const field = fields[match[3] as keyof typeof fields]
    steps.set(step, { ...(steps.get(step) ?? none), [field]: Number(cells[index]) })
  }
  return [...steps.values()]
}
