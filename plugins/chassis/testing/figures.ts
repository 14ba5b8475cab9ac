import { defaultLimits } from '../limits.ts'
import { runModule } from '../run.ts'
import { buildModule, imports, op } from './module-builder.ts'

const calls = 20_000
const limits = { ...defaultLimits, hostCalls: 2 * calls, logOctets: 0 }

/** Milliseconds from `runModule` to the first instruction of the module, each in a process of its own. */
async function startMs(runs: number): Promise<number[]> {
  const module = buildModule({ functions: [{ code: [] }] })
  const found: number[] = []
  for (let run = 0; run < runs; run++) {
    const began = performance.now()
    await runModule(module, { limits, started: () => found.push(performance.now() - began) })
  }
  return found.sort((a, b) => a - b)
}

/** Microseconds of a host call and its answer: a module that writes one octet to its log, again and again. */
async function callUs(): Promise<number> {
  const write = [...[1, 0, 1, 16].flatMap(op.constant), ...op.call(0), ...op.drop]
  const again = [0x20, 0, ...op.constant(1), 0x6a, 0x22, 0, ...op.constant(calls), 0x49, 0x0d, 0]
  const module = buildModule({
    imports: [imports.fdWrite],
    functions: [{ locals: 1, code: [0x03, 0x40, ...write, ...again, 0x0b] }],
    data: [{ at: 0, octets: Buffer.from([32, 0, 0, 0, 1, 0, 0, 0]) }]
  })
  let began = 0
  const { outcome, code } = await runModule(module, {
    limits,
    started: () => {
      began = performance.now()
    }
  })
  if (outcome !== 'exit' || code !== 0) throw new Error(`the module ended by ${outcome}`)
  return (1000 * (performance.now() - began)) / calls
}

export async function chassisFigures(runs = 21): Promise<{ readonly startMs: number; readonly callUs: number }> {
  const starts = await startMs(runs)
  return { startMs: starts[starts.length >> 1]!, callUs: await callUs() }
}
