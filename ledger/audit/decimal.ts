/**
 * Exact decimals for money: a whole number of units and how many of its digits stand behind the point. Nothing is ever rounded, except for display and estimates.
 */
import { InfraFabricError } from '#kernel'

/** `units` × 10^−`scale`; in lowest form, so that equal numbers are equal objects. */
export interface Decimal {
  readonly units: bigint
  /** Digits behind the point, from 0. */
  readonly scale: number
}

export const zero: Decimal = Object.freeze({ units: 0n, scale: 0 })

const form = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?$/

/**
 * Reads a decimal as entries hold them: `0.09095`, `12`, `-3.5`; no exponent, no blank, no leading sign but `-`.
 *
 * @throws {InfraFabricError} `ledger.decimal.malformed`
 */
export function parseDecimal(text: string): Decimal {
  const found = form.exec(text)
  if (found === null) {
    const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
    throw new InfraFabricError('ledger.decimal.malformed', `${shown} is no decimal such as 0.09095`)
  }
  const [, sign, whole, fraction = ''] = found
  const units = BigInt(whole! + fraction)
  return reduced(sign === '-' ? -units : units, fraction.length)
}

/** A whole number, or `units` × 10^−`scale`. @throws {RangeError} when `units` is a number that is not a safe integer */
export function decimalOf(units: number | bigint, scale = 0): Decimal {
  if (typeof units === 'number' && !Number.isSafeInteger(units)) throw new RangeError(`${units} is no safe integer`)
  return reduced(BigInt(units), scale)
}

export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale)
  return reduced(raised(a, scale) + raised(b, scale), scale)
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  return add(a, { units: -b.units, scale: b.scale })
}

/** `a` × `factor` ÷ `divisor`, cut off behind `places` digits. @throws {RangeError} when the divisor is zero or the factor is no safe integer */
export function timesRatio(a: Decimal, factor: number, divisor: Decimal, places: number): Decimal {
  const { units, scale } = multiply(a, decimalOf(factor))
  return reduced((units * 10n ** BigInt(divisor.scale + places)) / (divisor.units * 10n ** BigInt(scale)), places)
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return reduced(a.units * b.units, a.scale + b.scale)
}

/** Negative, zero or positive, as `a` is less than, equal to or more than `b`. */
export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const scale = Math.max(a.scale, b.scale)
  const difference = raised(a, scale) - raised(b, scale)
  if (difference === 0n) return 0
  return difference < 0n ? -1 : 1
}

/** The shortest text that is exactly this number: `0.09095`. */
export function formatDecimal({ units, scale }: Decimal): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0')
  const sign = units < 0n ? '-' : ''
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** For display: rounded to `places` digits behind the point, a half to the even neighbour, and filled up with zeros. */
export function formatRounded({ units, scale }: Decimal, places: number): string {
  const magnitude = units < 0n ? -units : units
  let kept = magnitude * 10n ** BigInt(Math.max(0, places - scale))
  if (scale > places) {
    const divisor = 10n ** BigInt(scale - places)
    kept = magnitude / divisor
    const twice = (magnitude % divisor) * 2n
    if (twice > divisor || (twice === divisor && kept % 2n === 1n)) kept += 1n
  }
  const digits = kept.toString().padStart(places + 1, '0')
  const sign = units < 0n && kept !== 0n ? '-' : ''
  return places === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -places)}.${digits.slice(-places)}`
}

const raised = ({ units, scale }: Decimal, to: number): bigint => (scale === to ? units : units * 10n ** BigInt(to - scale))

function reduced(units: bigint, scale: number): Decimal {
  if (units === 0n) return zero
  let least = units
  let digits = scale
  while (digits > 0 && least % 10n === 0n) {
    least /= 10n
    digits--
  }
  return { units: least, scale: digits }
}
