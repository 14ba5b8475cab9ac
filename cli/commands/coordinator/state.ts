import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type LatencyReport, measureLatency } from '#coordinator'
import { isCursor, openStore, type StorePlace, type ToldEvent, topicMatcher } from '#store'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable, toJsonLine } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { storePlace, withPlugins } from '../../subjects/plugins.ts'

export const stats: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const found = await coordinator.stats()
    if (output.json) {
      await output.document(found)
      return exitCodes.ok
    }
    const { tasks, ready, waiting, swarms, expiredLeases, oldestPendingMs } = found
    const rows = [
      ...Object.entries(tasks).map(([state, count]) => [state, String(count)]),
      ['ready to be claimed', String(ready)],
      ['waiting for others', String(waiting)],
      ['oldest pending', oldestPendingMs === null ? '-' : `${Math.round(oldestPendingMs / 1000)} s`],
      ['expired leases', String(expiredLeases)],
      ['swarms active', String(swarms.active)],
      ['swarms silent', String(swarms.silent)]
    ]
    for (const line of table(rows, output.columns())) await output.line(line)
    return exitCodes.ok
  })

export const latency: Run = async (args, output) => {
  const iterations = args.wholeNumber('iterations', 1, 10_000) ?? 100
  const report = await measured(args, iterations)
  if (output.json) {
    await output.document(report)
    return exitCodes.ok
  }
  const milliseconds = ({ p50, p99, max }: typeof report.claim) => [p50, p99, max].map((value) => value.toFixed(3))
  const rows = [
    ['ms', 'p50', 'p99', 'max'],
    ['claim', ...milliseconds(report.claim)],
    ['bare transaction', ...milliseconds(report.store)]
  ]
  for (const line of table(rows, output.columns())) await output.line(line)
  await output.line(`a claim takes ${report.ratio.toFixed(2)} times a bare transaction (${iterations} of each, in turn)`)
  return exitCodes.ok
}

/** On the same disk or server, but apart, so that nobody who watches sees tasks that are none. */
async function measured(args: Arguments, iterations: number): Promise<LatencyReport> {
  const place = storePlace(args)
  const own: StorePlace =
    place.kind === 'sqlite'
      ? { ...place, path: join(dirname(place.path), `latency-${randomUUID()}`, 'state.db') }
      : { ...place, name: `${place.name}-latency` }
  const store = await openStore(own)
  try {
    return await measureLatency(store, iterations)
  } finally {
    await store.close()
    if (own.kind === 'sqlite') await rm(dirname(own.path), { recursive: true, force: true })
  }
}

export const health: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const found = await coordinator.health()
    if (output.json) await output.document(found)
    else {
      const { store, problems } = found
      await output.line(`${store.kind} ${store.place}: ${store.records} records, ${store.roundTripMs.toFixed(1)} ms for a write`)
      for (const problem of problems) await output.line(output.paint('red', printable(problem)))
      if (found.ok) await output.line(output.paint('green', 'well'))
    }
    return found.ok ? exitCodes.ok : exitCodes.failure
  })

export const eventBus: Run = (args, output) =>
  withPlugins(args, output, async ({ coordinator }) => {
    const { store, unwitnessed } = await coordinator.health()
    const found = { kind: store.kind, place: store.place, events: store.events, newest: store.newest, unwitnessed }
    if (output.json) await output.document(found)
    else
      for (const line of table(
        Object.entries(found).map(([name, value]) => [name, String(value)]),
        output.columns()
      ))
        await output.line(printable(line))
    return exitCodes.ok
  })

export const watchTasks: Run = (args, output) => watch(args, output, 'task.**')
export const watchEvents: Run = (args, output) => watch(args, output, args.operands[0]!)

function watch(args: Arguments, output: Output, pattern: string): Promise<number> {
  const after = args.value('after')
  if (after !== undefined && !isCursor(after))
    throw new UsageError('--after: expected a cursor as an earlier watch showed it: 42-1')
  const follow = args.has('follow')
  const matches = topicMatcher(pattern)
  return withPlugins(args, output, async ({ coordinator, witnessed }) => {
    const stop = new AbortController()
    const interrupt = (): void => stop.abort()
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
    output.whenGone(interrupt)
    try {
      const { newest } = await witnessed.store.health()
      // without --follow: what is kept up to this moment
      if (!follow && (newest === '0-0' || newest === after)) return exitCodes.ok
      const begin = after ?? (follow ? 'newest' : '0-0')
      for await (const event of coordinator.watch({ after: begin, pattern: follow ? pattern : '**', signal: stop.signal })) {
        if (matches(event.topic)) await show(event, output)
        if (!follow && event.cursor === newest) break
      }
      return exitCodes.ok
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    }
  })
}

async function show(event: ToldEvent, output: Output): Promise<void> {
  if (output.json) await output.document(event)
  else
    await output.line(
      printable(`${new Date(event.at).toISOString()}  ${event.cursor}  ${event.topic}  ${toJsonLine(event.data)}`)
    )
}
