/** The entries that the page holds: their text, and what is searched by in columns. */
import type { Rates } from '../../audit/rates.ts'
import { type CostReport, createCostTally, type Grouping } from '../../audit/tally.ts'
import type { LedgerEntry } from '../../log/entry.ts'

/** Conditions add up; an empty one is none. */
export interface Filter {
  /** Words that an entry's text holds, in any order and case. */
  readonly text?: string
  /** A trace, with all that hangs under it; or how trace ids begin. */
  readonly trace?: string
  /** Call-ID, or part of one. */
  readonly call?: string
  readonly component?: string
  readonly event?: string
  /** Inclusive, milliseconds since 1970. */
  readonly since?: number
  /** Exclusive. */
  readonly until?: number
}

/** What a line of the list shows. */
export interface Row {
  readonly position: number
  readonly index: number
  readonly time: string
  readonly component: string
  readonly event: string
  readonly trace: string
  /** The facts of the payload in one line. */
  readonly facts: string
}

const longestFacts = 300

/** Texts that come again and again, each by a number. */
class Names {
  readonly list: string[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(name: string): number {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.list.push(name) - 1
      this.#numbers.set(name, number)
    }
    return number
  }

  known(name: string): number | undefined {
    return this.#numbers.get(name)
  }
}

const callIdOf = ({ payload }: LedgerEntry): string => (typeof payload.callId === 'string' ? payload.callId : '')

/** Entries in the order of the log. A position is a place in this list; in a selection it is not the leaf number. */
export class Records {
  readonly #texts: string[] = []
  readonly #odd = new Map<number, LedgerEntry>()
  readonly #indexes: number[] = []
  readonly #times: number[] = []
  readonly #components: number[] = []
  readonly #events: number[] = []
  readonly #traces: number[] = []
  readonly #calls: number[] = []
  readonly #names = { component: new Names(), event: new Names(), trace: new Names(), call: new Names() }
  /** Trace by number: the trace it hangs under. */
  readonly #parents = new Map<number, number>()

  get count(): number {
    return this.#texts.length
  }

  get components(): readonly string[] {
    return this.#names.component.list
  }

  get events(): readonly string[] {
    return this.#names.event.list
  }

  /**
   * @param text what is stored
   * @param isWhole whether `text` is the JSON of `entry`; else `entry` says what can be said of it
   */
  append(text: string, entry: LedgerEntry, isWhole = true): void {
    if (!isWhole) this.#odd.set(this.count, entry)
    const { component, event, trace, call } = this.#names
    this.#texts.push(text)
    this.#indexes.push(entry.index)
    this.#times.push(Date.parse(entry.time))
    this.#components.push(component.numberOf(entry.component))
    this.#events.push(event.numberOf(entry.event))
    const traceNumber = trace.numberOf(entry.trace_id)
    this.#traces.push(traceNumber)
    this.#calls.push(call.numberOf(callIdOf(entry)))
    if (entry.parent_trace_id !== undefined && !this.#parents.has(traceNumber))
      this.#parents.set(traceNumber, trace.numberOf(entry.parent_trace_id))
  }

  text(position: number): string {
    return this.#texts[position]!
  }

  entry(position: number): LedgerEntry {
    return this.#odd.get(position) ?? (JSON.parse(this.#texts[position]!) as LedgerEntry)
  }

  /** Position of a leaf; −1 when it is not here. */
  positionOf(index: number): number {
    let [low, high] = [0, this.#indexes.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#indexes[middle]! < index) low = middle + 1
      else high = middle
    }
    return this.#indexes[low] === index ? low : -1
  }

  row(position: number): Row {
    const { index, time, component, event, trace_id, payload } = this.entry(position)
    let facts = ''
    for (const [name, value] of Object.entries(payload)) {
      if (name === 'callId' || name === 'seq') continue
      facts += `${facts === '' ? '' : '  '}${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`
      if (facts.length > longestFacts) break
    }
    return { position, index, time, component, event, trace: trace_id, facts: facts.slice(0, longestFacts) }
  }

  /** Positions of entries that meet every condition, in order. */
  search({ text = '', trace = '', call = '', component = '', event = '', since, until }: Filter): Uint32Array {
    const traces = trace === '' ? null : this.#traceNumbers(trace)
    const calls = call === '' ? null : numbersWith(this.#names.call.list, call)
    const components = component === '' ? null : numbersWith(this.#names.component.list, component)
    const events = event === '' ? null : numbersWith(this.#names.event.list, event)
    const words = wordsOf(text)
    const found: number[] = []
    for (let at = 0; at < this.#texts.length; at++) {
      if (traces !== null && !traces.has(this.#traces[at]!)) continue
      if (calls !== null && !calls.has(this.#calls[at]!)) continue
      if (components !== null && !components.has(this.#components[at]!)) continue
      if (events !== null && !events.has(this.#events[at]!)) continue
      if (since !== undefined && this.#times[at]! < since) continue
      if (until !== undefined && this.#times[at]! >= until) continue
      if (words.length > 0 && !words.every((word) => word.test(this.#texts[at]!))) continue
      found.push(at)
    }
    return Uint32Array.from(found)
  }

  /** Positions of a trace and of all that hangs under it. */
  positionsOfTrace(id: string): number[] {
    const traces = this.#family(this.#names.trace.known(id))
    const found: number[] = []
    for (let at = 0; at < this.#traces.length; at++) if (traces.has(this.#traces[at]!)) found.push(at)
    return found
  }

  /** The trace that a trace hangs under; null for none. */
  parentOf(id: string): string | null {
    const number = this.#names.trace.known(id)
    const parent = number === undefined ? undefined : this.#parents.get(number)
    return parent === undefined ? null : this.#names.trace.list[parent]!
  }

  /** What the entries of a trace, or all, come to. */
  costs(rates: Rates, grouping: Grouping, trace: string | null): CostReport {
    const tally = createCostTally(rates, grouping)
    const positions = trace === null ? null : this.positionsOfTrace(trace)
    const count = positions?.length ?? this.count
    for (let at = 0; at < count; at++) {
      const position = positions?.[at] ?? at
      const text = this.#texts[position]!
      // most entries have none of these, and need not be read
      if (/"(?:cost|tokens_in|tokens_out|parent_trace_id)":/.test(text)) tally.take(this.entry(position))
    }
    return tally.report()
  }

  #traceNumbers(asked: string): Set<number> {
    const known = this.#names.trace.known(asked)
    if (known !== undefined) return this.#family(known)
    return numbersWith(this.#names.trace.list, asked, (name, part) => name.startsWith(part))
  }

  /** A trace and those that hang under it, however deep. */
  #family(root: number | undefined): Set<number> {
    const family = new Set<number>(root === undefined ? [] : [root])
    for (let before = -1; before !== family.size; ) {
      before = family.size
      for (const [child, parent] of this.#parents) if (family.has(parent)) family.add(child)
    }
    return family
  }
}

function numbersWith(
  names: readonly string[],
  asked: string,
  fits: (name: string, part: string) => boolean = (name, part) => name.includes(part)
): Set<number> {
  const part = asked.toLowerCase()
  return new Set(names.flatMap((name, number) => (fits(name.toLowerCase(), part) ? [number] : [])))
}

/** A pattern for each word, as JSON writes it. */
function wordsOf(text: string): RegExp[] {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return words.map(
    (word) =>
      new RegExp(
        JSON.stringify(word)
          .slice(1, -1)
          .replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
        'i'
      )
  )
}
