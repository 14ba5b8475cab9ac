/** Exact decimals and spans of time, for others that keep budgets. */
export {
  add as addDecimals,
  compare as compareDecimals,
  type Decimal,
  formatDecimal,
  parseDecimal,
  subtract as subtractDecimals,
  timesRatio
} from './audit/decimal.ts'
export { type Period, periods, type Span, spanAt } from './audit/span.ts'
