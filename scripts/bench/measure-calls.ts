import { setTimeout as sleep } from 'node:timers/promises'
import type { Suite } from '#suite'
import type { LoadBlock, LoadResult } from './caller.ts'
import type { Load } from './load.ts'
import { figure, summarise } from './report.ts'

/** Time of calls before anything is counted: a runtime that has seen no call yet is not what callers meet. */
const warmUpSeconds = 4
/** With, without, without, with: what drifts evenly over the run falls on both alike. */
const order = [true, false, false, true, true, false, false, true]
const quietWithinMs = 15_000

export interface CallPlan extends LoadBlock {
  /** Counted with guard and ledger; as many again without. */
  readonly calls: number
}

/** What one kind of block gave, all its blocks together. */
export interface Side {
  readonly setup: number[]
  readonly authenticated: number[]
  readonly challenge: number[]
  /** From the INVITE at the application to its 200, as the application tells. */
  readonly inside: number[]
  readonly late: number[]
  readonly failures: Map<string, number>
  entries: number
}

const newSide = (): Side => ({
  setup: [],
  authenticated: [],
  challenge: [],
  inside: [],
  late: [],
  failures: new Map(),
  entries: 0
})

function collect(side: Side, result: LoadResult): void {
  side.setup.push(...result.setupMs)
  side.authenticated.push(...result.authenticatedMs)
  side.challenge.push(...result.challengeMs)
  side.late.push(...result.lateMs)
  for (const [reason, calls] of Object.entries(result.failures))
    side.failures.set(reason, (side.failures.get(reason) ?? 0) + calls)
}

export interface CallFigures {
  readonly with: Side
  readonly without: Side
}

export const failed = ({ failures }: Side): number => [...failures.values()].reduce((sum, calls) => sum + calls, 0)

/** Waits until no call is left and everything told is in the ledger. */
async function quiet(suite: Suite): Promise<void> {
  const deadline = performance.now() + quietWithinMs
  while (suite.status().calls.length > 0 && performance.now() < deadline) await sleep(20)
  await suite.inside.witness.flush(quietWithinMs)
}

/**
 * Makes the calls of a plan in blocks that pass guard and ledger by turns.
 *
 * @param say told after each block
 */
export async function measureCalls(
  suite: Suite,
  load: Load,
  use: (real: boolean) => void,
  { calls, rate, spacing }: CallPlan,
  say: (text: string) => void
): Promise<CallFigures> {
  const sides = { with: newSide(), without: newSide() }
  let counting: Side | null = null
  suite.onEvent((event) => {
    if (event.type === 'answered') counting?.inside.push(event.setupMs)
  })
  for (const real of [true, false]) {
    use(real)
    await load.run({ calls: Math.ceil((rate * warmUpSeconds) / 2), rate, spacing })
    await quiet(suite)
  }
  const blocks = order.length / 2
  const done = { with: 0, without: 0 }
  for (const [at, real] of order.entries()) {
    const name = real ? 'with' : 'without'
    const side = sides[name]
    const nth = done[name]++
    const share = Math.floor((calls * (nth + 1)) / blocks) - Math.floor((calls * nth) / blocks)
    if (share === 0) continue
    use(real)
    counting = side
    const size = suite.status().ledger.size
    const result = await load.run({ calls: share, rate, spacing })
    await quiet(suite)
    counting = null
    side.entries += suite.status().ledger.size - size
    collect(side, result)
    const setup = summarise(result.setupMs)
    say(
      `${at + 1}/${order.length} ${name} guard and ledger: ${setup.count} calls, p50 ${figure(setup.p50)} ms, p99 ${figure(setup.p99)} ms`
    )
  }
  return sides
}
