import { InfraFabricError, type JsonObject } from '#kernel'

/** What one run of a module may use. */
export interface Limits extends JsonObject {
  /** Linear memory, MiB. */
  readonly memoryMb: number
  /** Share of one processor, percent. */
  readonly cpuPercent: number
  /** From the start of its process to its end, milliseconds of the wall clock. */
  readonly deadlineMs: number
  readonly hostCalls: number
  /** Octets of its log that are kept; what is more is dropped and counted. */
  readonly logOctets: number
  readonly outputOctets: number
  /** Octets that it may write to scoped directories. */
  readonly writtenOctets: number
}

export const defaultLimits: Limits = {
  memoryMb: 64,
  cpuPercent: 100,
  deadlineMs: 30_000,
  hostCalls: 100_000,
  logOctets: 1 << 20,
  outputOctets: 1 << 20,
  writtenOctets: 64 << 20
}

const ranges: Readonly<Record<string, readonly [least: number, most: number]>> = {
  memoryMb: [1, 1024],
  cpuPercent: [1, 100],
  deadlineMs: [10, 3_600_000],
  hostCalls: [1, 100_000_000],
  logOctets: [0, 16 << 20],
  outputOctets: [0, 16 << 20],
  writtenOctets: [0, 1 << 30]
}

/** @throws {InfraFabricError} `chassis.limit` */
export function limitsWith(before: Limits, changes: Partial<Limits>): Limits {
  const limits: Record<string, number> = { ...(before as Record<string, number>) }
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) continue
    const [least, most] = ranges[name]!
    if (!(Number.isInteger(value) && Number(value) >= least && Number(value) <= most))
      throw new InfraFabricError('chassis.limit', `${name} of ${value}: expected ${least} to ${most}`)
    limits[name] = Number(value)
  }
  return limits as unknown as Limits
}
