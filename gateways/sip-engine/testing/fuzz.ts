/**
 * `npm run fuzz:sip`: a million inputs each for SIP messages, stream framing and the frames of the application link.
 *
 *     node gateways/sip-engine/testing/fuzz.ts [--inputs 1000000] [--seed 1] [--target sip] [--only 4711] [--json]
 *
 * Every input follows from the seed and its number, so that `--only` runs the one that failed again. An input fails that throws anything
 * but a DecodeError, breaks a rule of its target, or takes more than 50 ms more than once; a run fails whose heap grows by more than 20 MB.
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { inputSeed } from './fuzz-inputs.ts'
import { inputOf, type Target, targets } from './fuzz-targets.ts'

const slowMs = 50
const growthMb = 20
/** From here on an input is timed again. */
const doubtfulMs = 2

export interface FuzzReport {
  readonly target: string
  readonly inputs: number
  /** Inputs taken as well-formed. */
  readonly taken: number
  readonly slowest: { readonly index: number; readonly ms: number }
  /** Heap in use after the run, less that after the first tenth, both after collection. */
  readonly heapGrowthMb: number
}

/** An input that failed, with what is needed to run it again. */
export class FuzzFailure extends Error {
  readonly target: string
  readonly index: number
  readonly input: Buffer

  constructor(target: string, index: number, input: Buffer, cause: unknown) {
    super(`${target} input ${index}: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`, { cause })
    this.target = target
    this.index = index
    this.input = input
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapMb(): number {
  collect()
  return process.memoryUsage().heapUsed / 1048576
}

/** Runs one input and gives its time in milliseconds: of a slow one the best of four, since other work on the machine may have caused it. */
function runOne(target: Target, seed: number, index: number): { ms: number; taken: boolean } {
  const { input, random } = inputOf(target, inputSeed(seed, index))
  try {
    const start = performance.now()
    const taken = target.run(input, random)
    let ms = performance.now() - start
    for (let attempt = 0; ms > doubtfulMs && attempt < 3; attempt++) {
      const repeated = inputOf(target, inputSeed(seed, index))
      const restart = performance.now()
      target.run(repeated.input, repeated.random)
      ms = Math.min(ms, performance.now() - restart)
    }
    if (ms > slowMs) throw new Error(`took ${ms.toFixed(1)} ms`)
    return { ms, taken }
  } catch (error) {
    throw new FuzzFailure(target.name, index, input, error)
  }
}

/**
 * Runs inputs 0 to `inputs` − 1 of a seed.
 *
 * @param at told before each input, for a watchdog.
 * @throws {FuzzFailure} at the first input that fails.
 */
export function fuzz(target: Target, inputs: number, seed: number, at: (index: number) => void = () => undefined): FuzzReport {
  const warm = Math.ceil(inputs / 10)
  let before = 0
  let taken = 0
  let slowest = { index: 0, ms: 0 }
  for (let index = 0; index < inputs; index++) {
    at(index)
    const one = runOne(target, seed, index)
    if (one.taken) taken++
    if (one.ms > slowest.ms) slowest = { index, ms: one.ms }
    if (index === warm) before = heapMb()
  }
  const heapGrowthMb = inputs > warm + 1 ? heapMb() - before : 0
  return { target: target.name, inputs, taken, slowest, heapGrowthMb }
}

/** Ends the process when an input runs for ten seconds: nothing in this thread could. */
function watch(): { readonly at: (index: number) => void; readonly close: () => Promise<number> } {
  const beat = new Int32Array(new SharedArrayBuffer(4))
  const watchdog = new Worker(new URL('./fuzz-watchdog.ts', import.meta.url), { workerData: beat })
  return {
    at: (index) => {
      beat[0] = index + 1
    },
    close: () => watchdog.terminate()
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() >>> 0) },
      target: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'boolean', default: false }
    }
  })
  const number = (text: string): number => {
    if (!/^\d{1,9}$|^\d{10}$/.test(text)) throw new TypeError(`not a count: ${text}`)
    return Number(text)
  }
  const seed = number(values.seed)
  const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target)
  if (chosen.length === 0) throw new TypeError(`no target ${values.target}: ${targets.map(({ name }) => name).join(', ')}`)
  if (values.only !== undefined) {
    for (const target of chosen) console.log(target.name, runOne(target, seed, number(values.only)))
    return
  }
  const say = values.json ? console.error : console.log
  say(`seed ${seed}`)
  const watchdog = watch()
  let total = 0
  let failed = false
  for (const target of chosen) {
    const report = fuzz(target, number(values.inputs), seed, watchdog.at)
    total += report.inputs
    const { slowest, heapGrowthMb, taken } = report
    say(
      `${target.name.padEnd(7)} ${report.inputs} inputs, ${taken} well-formed, slowest ${slowest.ms.toFixed(1)} ms (input ${slowest.index}), heap ${heapGrowthMb >= 0 ? '+' : ''}${heapGrowthMb.toFixed(1)} MB`
    )
    if (heapGrowthMb > growthMb) {
      failed = true
      console.error(`${target.name}: the heap grew by more than ${growthMb} MB`)
    }
  }
  await watchdog.close()
  if (failed) process.exitCode = 1
  else if (values.json) {
    console.log(
      JSON.stringify({ metric: 'sip.fuzz_inputs', value: total, unit: '', note: `seed ${seed}, no crash, hang or growth` })
    )
  }
}

if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(
      error instanceof FuzzFailure ? `${error.message}\n${JSON.stringify(error.input.toString('latin1').slice(0, 4000))}` : error
    )
    process.exit(1)
  }
}
