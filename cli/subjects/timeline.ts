/** A trace as lines for people: when, after how long, who saw what, and the traces that hang under it indented. */
import type { LedgerEntry } from '#ledger'
import { printable } from '../show/output.ts'

/** How moments are shown: seconds since the first entry, or the time of day. */
export const timeForms = ['offset', 'utc', 'local'] as const
export type TimeForm = (typeof timeForms)[number]

export interface TimelineSettings {
  /** The trace asked for. */
  readonly trace: string
  readonly time: TimeForm
  /** Columns a line may have. */
  readonly columns: number
}

const shortId = 8
const gutter = '│ '
const columnNames = ['component', 'event'] as const

/** Seconds with milliseconds. */
const seconds = (ms: number): string => (ms / 1_000).toFixed(3)

const pad = (number: number, digits = 2): string => String(number).padStart(digits, '0')

/** Time of day of a moment. */
function clockTime(timeMs: number, form: TimeForm): string {
  const time = new Date(timeMs)
  return form === 'utc'
    ? `${time.toISOString().slice(11, 23)}Z`
    : `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}.${pad(time.getMilliseconds(), 3)}`
}

/** Traces that hang under one another, as entries tell it, and what is known of each. */
interface Known {
  parent: string | undefined
  entries: number
  readonly firstMs: number
  lastMs: number
}

export interface Timeline {
  /** Takes entries in the order of the log. */
  readonly take: (entries: readonly LedgerEntry[]) => void
  /** What is known of the whole: `12 entries, 2 child traces, 3.250 s`. */
  readonly summary: () => string
  /** Lines of entries that were taken, in their order. */
  readonly lines: (entries: readonly LedgerEntry[]) => string[]
}

export function createTimeline({ trace, time, columns }: TimelineSettings): Timeline {
  const traces = new Map<string, Known>()
  const widths = { component: 0, event: 0 }
  let begunMs: number | null = null
  let endMs = 0
  let count = 0
  let beforeMs: number | null = null
  let shown: string | null = null

  /** How deep a trace hangs under the one asked for; one whose way there is not known, or goes in a ring, as if directly. */
  const depthOf = (id: string): number => {
    const way = new Set<string>()
    for (let at: string | undefined = id; at !== undefined && !way.has(at); at = traces.get(at)?.parent) {
      if (at === trace) return way.size
      way.add(at)
    }
    return 1
  }

  const headOf = (id: string): string => {
    const { entries, firstMs, lastMs } = traces.get(id)!
    return `▸ ${printable(id.slice(0, shortId))}  ${entries} ${entries === 1 ? 'entry' : 'entries'}, ${seconds(lastMs - firstMs)} s`
  }

  const line = (entry: LedgerEntry): string => {
    const timeMs = Date.parse(entry.time)
    const gap = beforeMs === null ? '' : `${timeMs < beforeMs ? '-' : '+'}${seconds(Math.abs(timeMs - beforeMs))}`
    beforeMs = timeMs
    const moment = time === 'offset' ? seconds(timeMs - begunMs!) : clockTime(timeMs, time)
    const left = `${moment.padStart(9)} ${gap.padStart(8)}  ${gutter.repeat(depthOf(entry.trace_id))}`
    const words = columnNames.map((name) => printable(entry[name]).padEnd(widths[name])).join('  ')
    return cut(`${left}${words}  ${facts(entry)}`.trimEnd(), columns)
  }

  return {
    take: (entries) => {
      for (const entry of entries) {
        const timeMs = Date.parse(entry.time)
        begunMs ??= timeMs
        endMs = Math.max(endMs, timeMs)
        count++
        for (const name of columnNames) widths[name] = Math.max(widths[name], printable(entry[name]).length)
        const known = traces.get(entry.trace_id)
        if (known === undefined)
          traces.set(entry.trace_id, { parent: entry.parent_trace_id, entries: 1, firstMs: timeMs, lastMs: timeMs })
        else {
          known.entries++
          known.parent ??= entry.parent_trace_id
          known.lastMs = Math.max(known.lastMs, timeMs)
        }
      }
    },
    summary: () => {
      const children = [...traces.keys()].filter((id) => id !== trace).length
      const words = [`${count} ${count === 1 ? 'entry' : 'entries'}`, `${children} child ${children === 1 ? 'trace' : 'traces'}`]
      return [...words, `${seconds(endMs - (begunMs ?? endMs))} s`].join(', ')
    },
    lines: (entries) =>
      entries.flatMap((entry) => {
        const id = entry.trace_id
        const head =
          id === trace || id === shown ? [] : [cut(`${' '.repeat(20)}${gutter.repeat(depthOf(id))}${headOf(id)}`, columns)]
        shown = id
        return [...head, line(entry)]
      })
  }
}

function facts({ payload, model, tokens_in, tokens_out, cost }: LedgerEntry): string {
  const members = Object.entries(payload).filter(([name]) => name !== 'callId')
  const spent = Object.entries({ model, tokens_in, tokens_out, cost }).filter(([, value]) => value !== undefined)
  return printable(
    [...members, ...spent]
      .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(' ')
  )
}

const cut = (text: string, columns: number): string => (text.length > columns ? `${text.slice(0, columns - 1)}…` : text)
