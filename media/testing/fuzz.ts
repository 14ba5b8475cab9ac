/**
 * `npm run fuzz:media`: a million changed packets, reports and descriptions against everything of the media plane that reads them.
 *
 *     node media/testing/fuzz.ts [--inputs 1000000] [--seed 1] [--target rtcp] [--json]
 *
 * An input that ends in a way not seen before joins those that are changed further. A run fails on anything thrown but a refusal, on a rule of the target
 * broken, and on an input that takes more than 50 ms of processor time four times over. The input is printed as hex.
 */

import { fileURLToPath } from 'node:url'
import { cac } from 'cac'
import { messageOf } from '#kernel'
import { jsonLines, table } from '#scripts/bench/report.ts'
import { isRefusal, makeTargets, type Target } from './fuzz-targets.ts'
import { noise } from './signals.ts'

export interface FuzzReport {
  readonly target: string
  readonly inputs: number
  /** Inputs that were not refused. */
  readonly taken: number
  /** Different ways inputs ended. */
  readonly ways: number
  readonly slowestMs: number
}

const slowMs = 50
const largestInput = 2048
const mostKept = 1000

type Random = (below: number) => number

/** A changed copy: octets turned, put in, left out, doubled, joined with another seed, lengths that lie. */
function changed(seed: Buffer, other: Buffer, random: Random): Buffer {
  let out = Buffer.from(seed)
  for (let n = random(4); n >= 0; n--) {
    const at = random(out.length + 1)
    const kind = random(8)
    if (kind <= 1 && out.length > 0) out[at % out.length]! ^= 1 << random(8)
    else if (kind === 2 && out.length > 0) out[at % out.length] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)]!
    else if (kind === 3) out = out.subarray(0, at)
    else if (kind === 4) out = Buffer.concat([out.subarray(0, at), out.subarray(at + random(9))])
    else if (kind === 5) out = Buffer.concat([out.subarray(0, at), Buffer.from([random(256), random(256)]), out.subarray(at)])
    else if (kind === 6) out = Buffer.concat([out.subarray(0, at), other.subarray(random(other.length + 1))])
    else if (out.length > 3) out.writeUInt16BE([0, 1, 0xffff, random(64)][random(4)]!, Math.min(at, out.length - 2))
    if (out.length > largestInput) out = out.subarray(0, largestInput)
  }
  return Buffer.from(out)
}

/** @throws {Error} with the input as hex, where a target fails */
export function fuzz(target: Target, inputs: number, seed: number): FuzzReport {
  const next = noise(seed)
  const random: Random = (below) => Math.min(below - 1, Math.floor(((next() + 1) / 2) * below))
  const corpus = [...target.seeds]
  const ways = new Set<string>()
  let taken = 0
  let slowestMs = 0
  for (let n = 0; n < inputs; n++) {
    const input = changed(corpus[random(corpus.length)]!, corpus[random(corpus.length)]!, random)
    const run = () => {
      // a decoder may write into what it was lent
      const lent = Buffer.from(input)
      try {
        const way = target.run(lent)
        return { way, refused: false }
      } catch (error) {
        if (isRefusal(error)) return { way: error.code, refused: true }
        throw new Error(`${target.name}, input ${n}: ${String(error)}\n${input.toString('hex')}`, { cause: error })
      }
    }
    let ms = Number.POSITIVE_INFINITY
    let ended = { way: '', refused: true }
    for (let attempt = 0; attempt < 4 && ms > slowMs; attempt++) {
      const begun = process.threadCpuUsage()
      ended = run()
      const { user, system } = process.threadCpuUsage(begun)
      ms = Math.min(ms, (user + system) / 1000)
    }
    if (ms > slowMs) throw new Error(`${target.name}, input ${n}: ${ms.toFixed(0)} ms\n${input.toString('hex')}`)
    slowestMs = Math.max(slowestMs, ms)
    if (!ended.refused) taken++
    if (ways.size < mostKept && !ways.has(ended.way)) {
      ways.add(ended.way)
      corpus.push(input)
    }
  }
  return { target: target.name, inputs, taken, ways: ways.size, slowestMs }
}

function main(inputs: number, seed: number, only: string | undefined, json: boolean): void {
  const targets = makeTargets().filter(({ name }) => only === undefined || name === only)
  if (targets.length === 0) throw new Error(`there is no target ${only}`)
  const reports = targets.map((target) => {
    const report = fuzz(target, Math.ceil(inputs / targets.length), seed)
    target.close?.()
    process.stderr.write(`${target.name}: ${report.inputs} inputs\n`)
    return report
  })
  const rows = reports.map(({ target, ...counts }) => [
    target,
    ...[counts.inputs, counts.taken, counts.ways].map(String),
    counts.slowestMs.toFixed(1)
  ])
  console.log(
    json
      ? jsonLines(
          reports.map(({ target, inputs: value, ...counts }) => ({
            metric: `media.fuzz_inputs_${target.replaceAll(/\W/g, '_')}`,
            value,
            unit: 'inputs',
            note: `${counts.taken} taken, ${counts.ways} ways, the slowest ${counts.slowestMs.toFixed(1)} ms; nothing thrown but refusals`
          }))
        )
      : table([['target', 'inputs', 'taken', 'ways', 'slowest ms'], ...rows])
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cli = cac('fuzz:media')
  cli
    .option('--inputs <n>', 'inputs of all targets together', { default: 1_000_000 })
    .option('--seed <n>', 'the same inputs for the same seed', { default: 1 })
    .option('--target <name>', 'this one alone')
    .option('--json', 'one JSON object a line')
    .help()
  const { options } = cli.parse()
  if (!options.help) {
    const [inputs, seed] = [Number(options.inputs), Number(options.seed)]
    if (!Number.isInteger(inputs) || inputs < 1 || !Number.isInteger(seed)) {
      console.error('expected --inputs from 1 on and a whole --seed')
      process.exitCode = 2
    } else {
      try {
        main(inputs, seed, options.target as string | undefined, options.json === true)
      } catch (error) {
        console.error(messageOf(error))
        process.exitCode = 1
      }
    }
  }
}
