import { setTimeout as pause } from 'node:timers/promises'
import { quantile } from '#scripts/bench/report.ts'
import { defaultLimits } from '../run/limits.ts'
import { createWarmProcesses } from '../run/process.ts'
import { runModule } from '../run/run.ts'
import { buildModule, imports, op } from './module-builder.ts'

const calls = 20_000
const limits = { ...defaultLimits, hostCalls: 2 * calls, logOctets: 0 }

/** Milliseconds from `runModule` to the first instruction of the module, each in a process of its own; the median. */
async function startMs(runs: number, warm: number): Promise<number> {
  const module = buildModule({ functions: [{ code: [] }] })
  const found: number[] = []
  const processes = createWarmProcesses(warm)
  for (let run = 0; run < runs; run++) {
    // the process that waits has started meanwhile, as it has where starts are seldom
    if (warm > 0) await pause(300)
    const began = performance.now()
    await runModule(module, { limits, process: processes.take(), started: () => found.push(performance.now() - began) })
  }
  await processes.close()
  return quantile(found, 0.5)
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

export interface ChassisFigures {
  readonly startMs: number
  /** Where a process waits. */
  readonly warmStartMs: number
  readonly callUs: number
}

export async function chassisFigures(runs = 21): Promise<ChassisFigures> {
  return { startMs: await startMs(runs, 0), warmStartMs: await startMs(runs, 1), callUs: await callUs() }
}
