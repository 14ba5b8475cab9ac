/**
 * A moment as text, RFC 3339, UTC, milliseconds: as `toISOString` of a Date writes it, which first has V8 look for the system's time zone (0.3 ms of a short command) and takes
 * three to four times as long each time (0.8 µs against 0.25).
 */

const dayMs = 86_400_000
/** Days of 400 years, of 100, and of 4. */
const [cycleDays, centuryDays, leapDays] = [146_097, 36_524, 1460]
/** From the first of March of the year 0, where a cycle of 400 years begins, to 1970: the leap day is the last of its year then. */
const daysTo1970 = 719_468

const padded = (value: number, digits: number): string => String(value).padStart(digits, '0')
const two = (value: number): string => (value < 10 ? `0${value}` : String(value))

/**
 * @param timeMs milliseconds since 1970, of the years 0 to 9999
 * @see RFC 3339 §5.6
 */
export function timeText(timeMs: number): string {
  const whole = Math.trunc(timeMs)
  const days = Math.floor(whole / dayMs)
  const inDayMs = whole - days * dayMs
  const cycle = Math.floor((days + daysTo1970) / cycleDays)
  const ofCycle = days + daysTo1970 - cycle * cycleDays
  // without its leap days each year has 365
  const leaps = Math.floor(ofCycle / leapDays) - Math.floor(ofCycle / centuryDays) + Math.floor(ofCycle / (cycleDays - 1))
  const year = Math.floor((ofCycle - leaps) / 365)
  const ofYear = ofCycle - (365 * year + Math.floor(year / 4) - Math.floor(year / 100))
  // from March on every five months have 153 days
  const fromMarch = Math.floor((5 * ofYear + 2) / 153)
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  const date = `${padded(400 * cycle + year + (month < 3 ? 1 : 0), 4)}-${two(month)}-${two(day)}`
  const minutes = Math.floor(inDayMs / 60_000)
  const seconds = Math.floor(inDayMs / 1000) - 60 * minutes
  return `${date}T${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds)}.${padded(inDayMs % 1000, 3)}Z`
}
