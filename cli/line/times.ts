import { UsageError } from './arguments.ts'

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads a moment: ISO 8601 (`2026-11-21T07:00:00Z`, `2026-11-21`), Unix seconds, or how long ago (`90s`, `15m`, `2h`, `7d`).
 *
 * @returns milliseconds since 1970.
 * @throws {UsageError} naming `option`
 */
export function readMoment(text: string, option: string, nowMs: number): number {
  const ago = /^(\d{1,9})([smhd])$/.exec(text)
  if (ago !== null) return nowMs - Number(ago[1]) * units[ago[2]!]!
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1_000
  const parsed = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(parsed)) throw new UsageError(`--${option}: expected ISO 8601, Unix seconds, or a time ago such as 15m`)
  return parsed
}
