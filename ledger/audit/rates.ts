/** What models cost: US dollars per million tokens, each rate valid from a moment on until the next one of the same model. */
import { ConfigError, InfraFabricError, messageOf } from '#kernel'
import type { OfflineRate } from '../export/offline-data.ts'
import { add, type Decimal, decimalOf, formatDecimal, multiply, parseDecimal } from './decimal.ts'

/** Rate of one model. */
export interface Rate {
  readonly model: string
  /** US dollars per million tokens read. */
  readonly input: Decimal
  /** US dollars per million tokens written. */
  readonly output: Decimal
  /** Valid from here on, milliseconds since 1970, inclusive; −Infinity: always. */
  readonly from: number
}

/** Rates by model, the newest first. */
export type Rates = ReadonlyMap<string, readonly Rate[]>

const always = Number.NEGATIVE_INFINITY
const rate = (model: string, input: string, output: string): Rate => ({
  model,
  input: parseDecimal(input),
  output: parseDecimal(output),
  from: always
})

/** Rates where nothing else is configured. */
export const defaultRates: Rates = ratesOf([
  rate('claude-haiku-4.5', '0.25', '1.25'),
  rate('claude-sonnet-4.5', '3.00', '15.00'),
  rate('gpt-5', '50.00', '150.00'),
  rate('gemini-2.5-pro', '1.00', '5.00')
])

function ratesOf(list: readonly Rate[]): Rates {
  return new Map([...Map.groupBy(list, ({ model }) => model)].map(([model, of]) => [model, of.sort((a, b) => b.from - a.from)]))
}

/** The rate of `model` at a moment; undefined when there is none. */
export function rateAt(rates: Rates, model: string, timeMs: number): Rate | undefined {
  return rates.get(model)?.find(({ from }) => from <= timeMs)
}

/** Rates in the order of models and times: a map has another order where they were read from another file. */
export function listRates(rates: Rates): OfflineRate[] {
  return [...rates]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([model, of]) =>
      [...of]
        .sort((a, b) => a.from - b.from)
        .map(({ input, output, from }) => ({
          model,
          in: formatDecimal(input),
          out: formatDecimal(output),
          from: Number.isFinite(from) ? new Date(from).toISOString() : null
        }))
    )
}

const perMillion = decimalOf(1, 6)

/** US dollars for these tokens. */
export function tokenCost({ input, output }: Rate, tokensIn: number, tokensOut: number): Decimal {
  return multiply(perMillion, add(multiply(input, decimalOf(tokensIn)), multiply(output, decimalOf(tokensOut))))
}

const moment = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z)?$/
const mostRates = 10_000
const maxOctets = 1 << 20

/**
 * Reads a rates file. Its rates stand beside the defaults; a model it names has only the rates it gives.
 *
 *     rates:
 *       - { model: gpt-5, in: 50.00, out: 150.00 }
 *       - { model: gpt-5, in: 40.00, out: 120.00, from: 2026-07-01 }
 *
 * `in` and `out` are US dollars per million tokens; `from` is a date or a moment in UTC, and may be left out once for a model.
 *
 * @throws {ConfigError} with every problem; {InfraFabricError} `ledger.rates.malformed` when the text is no YAML
 */
export async function parseRates(text: string): Promise<Rates> {
  if (text.length > maxOctets)
    throw new InfraFabricError('ledger.rates.malformed', `a rates file has at most ${maxOctets} octets`)
  // loaded only here: it would slow down the start of every command that opens a ledger
  const { parse } = await import('yaml')
  let read: unknown
  try {
    // as text throughout: a number of YAML would be a binary fraction
    read = parse(text, { schema: 'failsafe', maxAliasCount: 0 })
  } catch (cause) {
    const why = messageOf(cause)
    throw new InfraFabricError('ledger.rates.malformed', `the rates are no YAML: ${why}`, { cause })
  }
  const problems: string[] = []
  const list = isRecord(read) ? read.rates : undefined
  for (const name of isRecord(read) ? Object.keys(read) : []) if (name !== 'rates') problems.push(`${name}: not known here`)
  if (!Array.isArray(list) || list.length > mostRates) problems.push(`rates: expected a list of at most ${mostRates} rates`)
  else {
    const found = list.flatMap((item, at) => readRate(item, `rates[${at}]`, problems) ?? [])
    const seen = new Set<string>()
    for (const { model, from } of found) {
      const key = `${from} ${model}`
      if (seen.has(key)) problems.push(`rates: ${JSON.stringify(model)} has two rates from the same moment on`)
      seen.add(key)
    }
    if (problems.length === 0) return new Map([...defaultRates, ...ratesOf(found)])
  }
  throw new ConfigError('rates', problems)
}

function readRate(item: unknown, path: string, problems: string[]): Rate | null {
  if (!isRecord(item)) {
    problems.push(`${path}: expected model, in and out`)
    return null
  }
  const before = problems.length
  for (const name of Object.keys(item))
    if (!['model', 'in', 'out', 'from'].includes(name)) problems.push(`${path}.${name}: not known here`)
  const { model, from } = item
  if (typeof model !== 'string' || model === '' || model.length > 128)
    problems.push(`${path}.model: expected 1 to 128 characters`)
  const fromMs = from === undefined ? always : typeof from === 'string' && moment.test(from) ? Date.parse(from) : Number.NaN
  if (Number.isNaN(fromMs)) problems.push(`${path}.from: expected a date such as 2026-07-01, or a moment in UTC`)
  const input = dollars(item.in, `${path}.in`, problems)
  const output = dollars(item.out, `${path}.out`, problems)
  return problems.length > before ? null : { model: model as string, input: input!, output: output!, from: fromMs }
}

function dollars(value: unknown, path: string, problems: string[]): Decimal | null {
  if (typeof value === 'string' && /^\d{1,12}(?:\.\d{1,12})?$/.test(value)) return parseDecimal(value)
  problems.push(`${path}: expected US dollars per million tokens, such as 0.25`)
  return null
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
