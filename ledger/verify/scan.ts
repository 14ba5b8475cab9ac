/** Checks all entries of a log on several threads, and stitches the ranges together. */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { CallEntry } from './call-entries.ts'
import { CompactRange } from './compact-range.ts'
import type { RangeAnswer, RangeWork } from './range-worker.ts'
import { brokenLink, type Collected, checkRange, type Depth, type Fault, type RangeReport, type RangeTask } from './ranges.ts'
import { type EntrySource, type LogAddress, SourceDamaged } from './sources.ts'
import { endTasks, shareTasks, takeTask } from './tasks.ts'

export interface ScanOptions {
  /** Where the log is; each thread opens it for itself. */
  readonly log: LogAddress
  /** State of the tree up to the entry to begin with. */
  readonly tree: CompactRange
  /** Hash of the entry before it, 64 hex digits. */
  readonly prev: string
  /** Sizes of the log at which its root is asked for. */
  readonly sizes: readonly number[]
  readonly depth: Depth
  readonly calls: boolean
  /** Threads to use; one when left out for short logs, else as many as there are processors, at most 8. */
  readonly threads?: number
  readonly onProgress?: (entries: number, of: number) => void
}

export interface Scan {
  readonly fault: Fault | null
  /** The tree over all entries that are in their places. */
  readonly tree: CompactRange
  /** Hash of the last of them, 64 hex digits. */
  readonly last: string
  readonly roots: ReadonlyMap<number, Uint8Array>
  readonly rotations: readonly Collected[]
  readonly calls: readonly CallEntry[]
  /** Entries whose time is before that of the entry before them. */
  readonly backward: number
}

/** A thread takes longer to start than this many entries to check. */
const worthThread = 30_000
/** Small enough that threads end together, large enough that a hand-over does not count. */
const entriesOfTask = 32_768

/** Checks the entries from where `options.tree` ends up to where the source ends. */
export async function scan(source: EntrySource, options: ScanOptions): Promise<Scan> {
  const from = options.tree.end
  const to = Math.max(from, source.end())
  const sizes = [...new Set(options.sizes)].filter((size) => size > from && size <= to).sort((a, b) => a - b)
  const bounds = [from]
  const threads = options.threads ?? (to - from < 2 * worthThread ? 1 : Math.min(8, availableParallelism()))
  if (threads > 1) {
    for (let at = from + entriesOfTask; at < to; at += entriesOfTask) {
      const seam = await source.seam(at)
      if (seam > bounds.at(-1)! && seam < to) bounds.push(seam)
    }
  }
  bounds.push(to)
  const tasks = bounds.slice(1).map(
    (end, i): RangeTask => ({
      from: bounds[i]!,
      to: end,
      sizes: sizes.filter((size) => size > bounds[i]! && size <= end),
      depth: options.depth,
      calls: options.calls
    })
  )
  const progress = (entries: number) => options.onProgress?.(entries, to - from)
  const reports =
    threads > 1 && tasks.length > 1
      ? await onThreads(source, options.log, tasks, threads, progress)
      : [await checkRange(source, tasks[0]!, progress)]
  return stitch(reports, options)
}

/** Joins the reports of ranges that follow one another: tree to tree, and the last hash of one to what the next says stands before it. */
function stitch(reports: readonly RangeReport[], options: ScanOptions): Scan {
  const tree = options.tree.copy()
  const roots = new Map<number, Uint8Array>([[tree.end, tree.root()]])
  const rotations: Collected[] = []
  const calls: CallEntry[] = []
  let last = options.prev
  let fault: Fault | null = null
  let backward = 0
  let lastOrder = -1
  for (const report of reports) {
    if (report.prev !== null && report.prev !== last) {
      fault = { index: tree.end, problem: brokenLink(tree.end) }
      break
    }
    for (const snapshot of report.snapshots) {
      const upTo = tree.copy()
      upTo.join(CompactRange.of(snapshot))
      roots.set(snapshot.end, upTo.root())
    }
    tree.join(CompactRange.of(report.tree))
    last = report.last ?? last
    rotations.push(...report.rotations)
    for (const entry of report.calls) calls.push(entry)
    backward += report.backward + (report.firstOrder >= 0 && report.firstOrder < lastOrder ? 1 : 0)
    if (report.lastOrder >= 0) lastOrder = report.lastOrder
    if (report.fault !== null) {
      fault = report.fault
      break
    }
  }
  return { fault, tree, last, roots, rotations, calls, backward }
}

/**
 * Runs the tasks on this thread and `threads` − 1 others. Gives the reports in order, up to the first with a fault.
 *
 * @throws {SourceDamaged} @throws {Error} when a thread cannot read the log
 */
async function onThreads(
  source: EntrySource,
  log: LogAddress,
  tasks: readonly RangeTask[],
  threads: number,
  progress: (entries: number) => void
): Promise<RangeReport[]> {
  const counters = shareTasks(tasks.length)
  const reports = new Map<number, RangeReport>()
  let entries = 0
  const take = (number: number, report: RangeReport) => {
    reports.set(number, report)
    // tasks are given out in order: those before this one are under way or done
    if (report.fault !== null) endTasks(counters)
    entries += report.tree.end - report.tree.begin
    progress(entries)
  }
  const here = async (): Promise<void> => {
    for (let number = takeTask(counters); number !== null; number = takeTask(counters)) {
      take(number, await checkRange(source, tasks[number]!))
      await new Promise(setImmediate)
    }
  }
  const ending = (error: unknown): never => {
    endTasks(counters)
    throw error
  }
  const others = Array.from({ length: Math.min(threads, tasks.length) - 1 }, () =>
    runWorker({ log, tasks, counters }, take).catch(ending)
  )
  const ends = await Promise.allSettled([here().catch(ending), ...others])
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const firstFault = tasks.findIndex((_, number) => (reports.get(number)?.fault ?? null) !== null)
  return tasks.slice(0, firstFault < 0 ? tasks.length : firstFault + 1).map((_, number) => reports.get(number)!)
}

/** One thread, until no task is left. Resolves when it has ended. */
function runWorker(work: RangeWork, take: (number: number, report: RangeReport) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const worker = new Worker(new URL('./range-worker.ts', import.meta.url), {
    workerData: work,
    execArgv: ['--disable-warning=ExperimentalWarning']
  })
  worker.on('message', (answer: RangeAnswer) => {
    if (answer.type === 'report') take(answer.number, answer.report)
    else if (answer.type === 'done') resolve()
    else reject(answer.type === 'damaged' ? new SourceDamaged(answer.message) : new Error(answer.message))
  })
  worker.on('error', reject).on('exit', () => reject(new Error('a thread of the verifier ended')))
  return promise.finally(async () => {
    await worker.terminate()
  })
}
