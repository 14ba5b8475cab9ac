/**
 * The statistics file of SIPp (`-trace_stat`): one header line, then one line per report, `;` after every cell.
 *
 * A column `Name(P)` counts since the previous report, `Name(C)` since the start; only cumulative values are kept here.
 *
 * @see SIPp documentation, "Statistics" (`-trace_stat`, `-fd`)
 */
import { DecodeError } from '#kernel'

/** Calls that took less than `belowMs` and not less than the partition before it; `belowMs` null: the open last partition. */
export interface Partition {
  readonly belowMs: number | null
  readonly count: number
}

export interface SippStatistics {
  /** Wall clock of the report, milliseconds since 1970. */
  readonly atMs: number
  readonly elapsedMs: number
  /** Calls a second: asked for, since the previous report, since the start. */
  readonly rate: { readonly target: number; readonly recent: number; readonly overall: number }
  readonly calls: {
    readonly created: number
    readonly current: number
    readonly successful: number
    readonly failed: number
    /** Why calls failed, SIPp's own names (`UnexpectedMessage`, `MaxUDPRetrans`, `TimeoutOnRecv`, …); zero counts are left out. */
    readonly failures: Readonly<Record<string, number>>
  }
  readonly retransmissions: number
  readonly outOfCallMessages: number
  readonly deadCallMessages: number
  readonly warnings: number
  readonly fatalErrors: number
  /** By rtd number or name; mean and deviation in milliseconds. */
  readonly responseTimes: Readonly<
    Record<string, { readonly meanMs: number; readonly deviationMs: number; readonly partitions: readonly Partition[] }>
  >
  readonly callLength: { readonly meanMs: number; readonly deviationMs: number; readonly partitions: readonly Partition[] }
}

type Row = ReadonlyMap<string, string>

/** The header's column names. @throws {DecodeError} `sipp.statistics.header` when it is not SIPp's. */
export function parseStatisticsHeader(line: string): readonly string[] {
  const columns = line.replace(/;?\r?$/, '').split(';')
  for (const needed of ['CurrentTime', 'TotalCallCreated', 'SuccessfulCall(C)', 'FailedCall(C)'])
    if (!columns.includes(needed))
      throw new DecodeError('sipp.statistics.header', `no column ${needed}`, { path: 'header', bitOffset: 0 })
  return columns
}

/** One report. @throws {DecodeError} `sipp.statistics.row` when cells are missing or are not numbers. */
export function parseStatisticsRow(columns: readonly string[], line: string): SippStatistics {
  const cells = line.replace(/;?\r?$/, '').split(';')
  if (cells.length !== columns.length)
    throw new DecodeError('sipp.statistics.row', `${cells.length} cells for ${columns.length} columns`, {
      path: 'row',
      bitOffset: 0
    })
  const row: Row = new Map(columns.map((column, index) => [column, cells[index]!]))
  const responseTimes: Record<string, SippStatistics['responseTimes'][string]> = {}
  for (const column of columns) {
    const name = /^ResponseTime(?!Repartition)(.+)(?<!StDev)\(C\)$/.exec(column)?.[1]
    if (name === undefined) continue
    responseTimes[name] = {
      meanMs: milliseconds(row, `ResponseTime${name}(C)`),
      deviationMs: milliseconds(row, `ResponseTime${name}StDev(C)`),
      partitions: partitions(row, `ResponseTimeRepartition${name}`)
    }
  }
  const failures: Record<string, number> = {}
  for (const column of columns) {
    const name = /^Failed(?!Call\()(.+)\(C\)$/.exec(column)?.[1]
    if (name !== undefined && count(row, column) > 0) failures[name] = count(row, column)
  }
  const atMs = wallClock(row, 'CurrentTime')
  return {
    atMs,
    elapsedMs: atMs - wallClock(row, 'StartTime'),
    rate: { target: count(row, 'TargetRate'), recent: count(row, 'CallRate(P)'), overall: count(row, 'CallRate(C)') },
    calls: {
      created: count(row, 'TotalCallCreated'),
      current: count(row, 'CurrentCall'),
      successful: count(row, 'SuccessfulCall(C)'),
      failed: count(row, 'FailedCall(C)'),
      failures
    },
    retransmissions: count(row, 'Retransmissions(C)'),
    outOfCallMessages: count(row, 'OutOfCallMsgs(C)'),
    deadCallMessages: count(row, 'DeadCallMsgs(C)'),
    warnings: count(row, 'Warnings(C)'),
    fatalErrors: count(row, 'FatalErrors(C)'),
    responseTimes,
    callLength: {
      meanMs: milliseconds(row, 'CallLength(C)'),
      deviationMs: milliseconds(row, 'CallLengthStDev(C)'),
      partitions: partitions(row, 'CallLengthRepartition')
    }
  }
}

/**
 * Every report of a file. A last line without its line end is still being written and is left out.
 *
 * @throws {DecodeError} `sipp.statistics.header`, `sipp.statistics.row`
 */
export function parseStatistics(text: string): readonly SippStatistics[] {
  const lines = text.split('\n').slice(0, -1)
  if (lines.length === 0) return []
  const columns = parseStatisticsHeader(lines[0]!)
  return lines.slice(1).map((line) => parseStatisticsRow(columns, line))
}

function cell(row: Row, column: string): string {
  const value = row.get(column)
  if (value === undefined) throw new DecodeError('sipp.statistics.row', 'no such column', { path: column, bitOffset: 0 })
  return value
}

function count(row: Row, column: string): number {
  const value = cell(row, column)
  if (!/^\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value))
    throw new DecodeError('sipp.statistics.row', `not a number: ${value}`, { path: column, bitOffset: 0 })
  return Number(value)
}

/** `2026-11-21⇥07:21:51.374743⇥1795245711.374743`: the last part is seconds since 1970. */
function wallClock(row: Row, column: string): number {
  const match = /\t(\d+\.\d+)$/.exec(cell(row, column))
  if (match === null) throw new DecodeError('sipp.statistics.row', 'not a time', { path: column, bitOffset: 0 })
  return Math.round(Number(match[1]) * 1000)
}

/** `HH:MM:SS:uuuuuu` */
function milliseconds(row: Row, column: string): number {
  const match = /^(\d+):(\d\d):(\d\d):(\d{6})$/.exec(cell(row, column))
  if (match === null) throw new DecodeError('sipp.statistics.row', 'not a duration', { path: column, bitOffset: 0 })
  return (Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])) * 1000 + Number(match[4]) / 1000
}

function partitions(row: Row, prefix: string): readonly Partition[] {
  const found: Partition[] = []
  for (const [column, value] of row) {
    if (!column.startsWith(`${prefix}_`)) continue
    const bound = /^(<|>=)(\d+)$/.exec(column.slice(prefix.length + 1))
    if (bound !== null) found.push({ belowMs: bound[1] === '<' ? Number(bound[2]) : null, count: Number(value) })
  }
  return found
}
