import { chassisMetrics, type ObjectiveStatus, type Objectives, type SloScope, type SloStatus } from '#chassis'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readMoment } from '../../line/times.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withChassis } from '../../subjects/chassis.ts'

type Whose = { readonly kind: SloScope['kind']; readonly id: string }

function whose(args: Arguments): Whose | undefined {
  const [swarm, sandbox] = [args.value('swarm'), args.value('sandbox')]
  if (swarm !== undefined && sandbox !== undefined) throw new UsageError('--swarm or --sandbox, not both')
  if (swarm !== undefined) return { kind: 'swarm', id: swarm }
  return sandbox === undefined ? undefined : { kind: 'sandbox', id: sandbox }
}

const amount = (objective: string, value: number): string =>
  objective === 'latency' ? `${Math.round(value)} ms` : `${Number(value.toFixed(2))} %`
const sense = (objective: string): string => (objective === 'latency' || objective === 'errors' ? '≤' : '≥')

function rowOf({ kind, id }: Whose, status: ObjectiveStatus, windowMs: number, output: Output): string[] {
  const { objective, target, measured, kept, counted, burn } = status
  return [
    `${kind} ${id}`,
    objective,
    `${sense(objective)} ${amount(objective, target)}`,
    measured === null ? '-' : amount(objective, measured),
    kept === null ? output.paint('dim', 'too few') : kept ? output.paint('green', 'kept') : output.paint('red', 'violated'),
    burn === null ? '-' : burn.toFixed(1),
    String(counted),
    `${windowMs / 60_000} min`
  ]
}

async function show(found: readonly SloStatus[], output: Output): Promise<void> {
  if (output.json) {
    for (const { scope, objectives, statuses, outcomes } of found)
      for (const status of statuses)
        await output.document({ kind: scope.kind, scope: scope.id, ...status, windowMs: objectives.windowMs, outcomes })
    return
  }
  const head = ['whose', 'objective', 'asked', 'measured', '', 'burn', 'counted', 'window']
  const rows = found.flatMap(({ scope, objectives, statuses }) =>
    statuses.map((status) => rowOf(scope, status, objectives.windowMs, output))
  )
  for (const line of table([head, ...rows], output.columns())) await output.line(printable(line))
}

export const status: Run = (args, output) => {
  const of = whose(args)
  return withChassis(args, output, async (chassis) => {
    const found = await chassis.sloStatus(of)
    if (found.length === 0 && !output.json) output.talk('nothing has run yet')
    else await show(found, output)
    return exitCodes.ok
  })
}

export const set: Run = (args, output) => {
  const of = whose(args)
  if (of === undefined) throw new UsageError('whose objectives? --swarm ID or --sandbox ID')
  const percent = (name: string): number | undefined => {
    const text = args.value(name)
    if (text === undefined) return undefined
    if (!/^\d{1,3}(\.\d{1,6})?$/.test(text) || Number(text) > 100)
      throw new UsageError(`--${name}: expected a percentage, 0 to 100`)
    return Number(text)
  }
  const minutes = args.wholeNumber('window', 1, 7 * 24 * 60)
  const given: Record<string, number | undefined> = {
    availabilityPct: percent('availability'),
    latencyP99Ms: args.wholeNumber('latency', 1, 3_600_000),
    errorPct: percent('errors'),
    limitsPct: percent('limits'),
    budgetPct: percent('budget'),
    windowMs: minutes === undefined ? undefined : 60_000 * minutes,
    leastRuns: args.wholeNumber('least', 1, 1_000_000)
  }
  const changes = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Objectives>
  if (Object.keys(changes).length === 0) throw new UsageError('nothing to change: give --availability, --latency, --errors, …')
  return withChassis(args, output, async (chassis) => {
    await chassis.setObjectives(of.kind, of.id, changes)
    await show(await chassis.sloStatus(of), output)
    return exitCodes.ok
  })
}

export const violations: Run = (args, output) => {
  const since = readMoment(args.value('since') ?? '24h', 'since', Date.now())
  return withChassis(args, output, async (chassis) => {
    const found = await chassis.violations(since)
    if (output.json) for (const violation of found) await output.document(violation)
    else if (found.length === 0) output.talk('no violation')
    else {
      const time = (at: number | null): string => (at === null ? 'lasts' : new Date(at).toISOString())
      const rows = found.map(({ at, until, kind, scope, objective, target, measured, counted, traceId }) => [
        time(at),
        time(until),
        `${kind} ${scope}`,
        objective,
        `${sense(objective)} ${amount(objective, target)}`,
        amount(objective, measured),
        String(counted),
        traceId
      ])
      const head = ['found', 'until', 'whose', 'objective', 'asked', 'measured', 'counted', 'trace']
      for (const line of table([head, ...rows], output.columns())) await output.line(printable(line))
    }
    return exitCodes.ok
  })
}

export const metrics: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const registry = await chassisMetrics(() => chassis)
    if (output.json) {
      for (const metric of await registry.getMetricsAsJSON()) await output.document(metric)
      return exitCodes.ok
    }
    const text = await registry.metrics()
    for (const line of text.trimEnd().split('\n')) await output.line(line)
    return exitCodes.ok
  })
