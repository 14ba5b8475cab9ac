/**
 * `npm run fuzz:h323`: a million changed messages against every decoder.
 *
 *     node gateways/h323/testing/fuzz.ts [--inputs 1000000] [--seed 1] [--target Q.931] [--json]
 *
 * Guided twice: an input that makes code run which never ran before joins those that are changed further, and so does one that ends in a way not seen
 * before (another field, another fault, another alternative), since the codecs of all types share their code and its coverage alone says little.
 *
 * A run fails on anything thrown but a DecodeError, on a rule of the target broken, on an input that takes more than 50 ms of processor time four
 * times over or ten seconds once, and on a heap that grows by more than 20 MB beside the inputs kept. The input is printed as hex.
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { InfraFabricError, messageOf } from '#kernel'
import { jsonLines } from '#scripts/bench/report.ts'
import { openCoverage } from './coverage.ts'
import { inputFrom } from './fuzz-inputs.ts'
import { type Target, targets } from './fuzz-targets.ts'
import { randomFrom } from './generate.ts'

const slowMs = 50
const hangMs = 10_000
const growthMb = 20
const maxCorpus = 6_000
const maxKept = 4_096
/** Coverage is asked for after so many inputs; those in which something new ran are run once more, one by one. */
const batchSize = 64
const part = '/gateways/h323/'

export interface FuzzReport {
  readonly target: string
  readonly inputs: number
  readonly taken: number
  /** Different ways inputs ended. */
  readonly ways: number
  /** How often code ran that had never run before, function by function. */
  readonly blocks: number
  readonly slowestMs: number
  readonly heapGrowthMb: number
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapMb(): number {
  collect()
  return process.memoryUsage().heapUsed / 1_048_576
}

class FuzzFailure extends InfraFabricError {
  constructor(target: string, index: number, input: Buffer, cause: unknown) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
    super('h323.fuzz.failed', `${target} input ${index}: ${reason}\n${input.subarray(0, 4_096).toString('hex')}`, { cause })
  }
}

/** Processor time of this thread in milliseconds, of a slow run the best of four: compiling and collecting count too. */
function timed(run: () => string): { readonly way: string; readonly ms: number } {
  let best = Number.POSITIVE_INFINITY
  let way = ''
  for (let attempt = 0; attempt < 4 && best > 2; attempt++) {
    const start = process.threadCpuUsage()
    way = run()
    const { user, system } = process.threadCpuUsage(start)
    best = Math.min(best, (user + system) / 1000)
  }
  return { way, ms: best }
}

/**
 * @param at told each input before it runs, for a watchdog
 * @throws {InfraFabricError} `h323.fuzz.failed` at the first input that fails
 */
export function fuzz(target: Target, inputs: number, seed: number, at: (input: Buffer) => void = () => undefined): FuzzReport {
  const corpus = target.corpus()
  const random = randomFrom(seed)
  const ways = new Set<string>()
  const warm = Math.ceil(inputs / 10)
  let before = 0
  let keptBefore = 0
  let kept = 0
  let taken = 0
  let slowestMs = 0
  const coverage = openCoverage(part)
  let batch: { readonly input: Buffer; readonly cuts: number }[] = []
  let blocks = 0
  const keep = (input: Buffer): void => {
    if (input.length > maxKept || corpus.length >= maxCorpus) return
    corpus.push(Buffer.from(input))
    kept += input.length
  }
  const keepNew = (): void => {
    const found = coverage.fresh()
    if (found.length > 0) {
      coverage.forget(found)
      for (const { input, cuts } of batch) {
        target.run(input, randomFrom(cuts))
        if (coverage.fresh().length > 0) keep(input)
      }
      coverage.remember(found)
      blocks += found.length
    }
    batch = []
  }
  for (let index = 0; index < inputs; index++) {
    const input = inputFrom(corpus, random)
    at(input)
    const cuts = Math.floor(random() * 2 ** 31)
    try {
      const { way, ms } = timed(() => target.run(input, randomFrom(cuts)))
      if (ms > slowMs) throw new Error(`took ${ms.toFixed(1)} ms`)
      slowestMs = Math.max(slowestMs, ms)
      if (way.startsWith('taken')) taken++
      if (!ways.has(way) && ways.size < maxCorpus) {
        ways.add(way)
        keep(input)
      }
      batch.push({ input, cuts })
      if (batch.length === batchSize) keepNew()
    } catch (error) {
      throw new FuzzFailure(target.name, index, input, error)
    }
    if (index === warm) {
      before = heapMb()
      keptBefore = kept
    }
  }
  keepNew()
  coverage.close()
  const heapGrowthMb = inputs > warm + 1 ? heapMb() - before - (2 * (kept - keptBefore)) / 1_048_576 : 0
  if (heapGrowthMb > growthMb)
    throw new InfraFabricError('h323.fuzz.failed', `${target.name}: the heap grew by ${heapGrowthMb.toFixed(1)} MB`)
  return { target: target.name, inputs, taken, ways: ways.size, blocks, slowestMs, heapGrowthMb }
}

interface Job {
  readonly target: number
  readonly inputs: number
  readonly seed: number
  /** Count of inputs begun, length of the present one, its octets. */
  readonly beat: SharedArrayBuffer
}

const beatOctets = 70_000

function work({ target, inputs, seed, beat }: Job): void {
  const counters = new Int32Array(beat, 0, 2)
  const shown = new Uint8Array(beat, 8)
  parentPort!.postMessage(
    fuzz(targets[target]!, inputs, seed, (input) => {
      shown.set(input)
      counters[1] = input.length
      counters[0]!++
    })
  )
}

/** Runs one target in a thread of its own, which can be ended when an input never does. */
function inThread(target: number, inputs: number, seed: number): Promise<FuzzReport> {
  const beat = new SharedArrayBuffer(beatOctets)
  const counters = new Int32Array(beat, 0, 2)
  const worker = new Worker(new URL(import.meta.url), { workerData: { target, inputs, seed, beat } satisfies Job })
  return new Promise((resolve, reject) => {
    let last = -1
    let lastChange = Date.now()
    const watch = setInterval(() => {
      if (counters[0] !== last) {
        last = counters[0]!
        lastChange = Date.now()
      } else if (last > 0 && Date.now() - lastChange > hangMs) {
        const input = Buffer.from(new Uint8Array(beat, 8, counters[1])).toString('hex')
        reject(new InfraFabricError('h323.fuzz.failed', `${targets[target]!.name} input ${last} does not end\n${input}`))
        void worker.terminate()
      }
    }, 500)
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => clearInterval(watch))
  })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      target: { type: 'string' },
      json: { type: 'boolean', default: false }
    }
  })
  const [inputs, seed] = [values.inputs, values.seed].map(Number)
  if (!Number.isSafeInteger(inputs) || inputs! < 1 || !Number.isSafeInteger(seed))
    throw new TypeError('--inputs and --seed are whole numbers')
  const chosen = targets.flatMap(({ name }, index) => (values.target === undefined || values.target === name ? [index] : []))
  if (chosen.length === 0) throw new TypeError(`no target ${values.target}: ${targets.map(({ name }) => name).join(', ')}`)
  const say = values.json ? console.error : console.log
  say(`seed ${seed}`)
  let total = 0
  for (const target of chosen) {
    const report = await inThread(target, Math.ceil(inputs! / chosen.length), seed!)
    total += report.inputs
    say(
      `${report.target}: ${report.inputs} inputs, ${report.taken} well-formed, ${report.ways} ways to end, new code ${report.blocks} times, slowest ${report.slowestMs.toFixed(1)} ms, heap ${report.heapGrowthMb.toFixed(1)} MB`
    )
  }
  const note = `seed ${seed}: no crash, no hang, no growth`
  if (values.json) console.log(jsonLines([{ metric: 'h323.fuzz_inputs', value: total, unit: 'inputs', note }]))
}

if (!isMainThread && workerData?.beat instanceof SharedArrayBuffer) work(workerData as Job)
else if (import.meta.main) {
  try {
    await main()
  } catch (error) {
    console.error(messageOf(error))
    process.exitCode = 1
  }
}
