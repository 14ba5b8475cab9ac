/** The worker: reads, hashes, checks and searches, so that the page never waits. */
import { formatDecimal, parseDecimal } from '../../audit/decimal.ts'
import type { Rate, Rates } from '../../audit/rates.ts'
import type { CostSum } from '../../audit/tally.ts'
import type { OfflineData, OfflineRate } from '../../export/offline-data.ts'
import type { Audit } from './audit.ts'
import { LogAudit } from './log-audit.ts'
import { Malformed } from './note.ts'
import { offlineSource } from './offline-source.ts'
import type { Asked, CostLine, Question, Questions, Source, Told } from './protocol.ts'
import { SelectionAudit } from './selection-audit.ts'
import { httpSource, SourceError } from './source.ts'
import type { Fault, Progress, Report, Trust } from './verdict.ts'

/** Entries of one trace that are shown. */
const mostOfTrace = 2000

type Progressing = (progress: Progress) => void
type Handlers = { readonly [Q in Question]: (ask: Questions[Q]['ask'], progress: Progressing) => Promise<Questions[Q]['answer']> }

interface Opened {
  readonly audit: Audit
  readonly rates: () => Promise<Rates>
}

function open(source: Source, trust: Trust): Opened {
  if (source.kind === 'service') {
    const service = httpSource(source.token)
    let read: Promise<Rates> | null = null
    const rates = () => {
      read ??= service.rates().then(readRates)
      return read
    }
    return { audit: new LogAudit(service, trust), rates }
  }
  const data = JSON.parse(source.json) as OfflineData
  const audit = data.whole ? new LogAudit(offlineSource(data), trust, data.payloads) : new SelectionAudit(data, trust)
  const rates = readRates(data.rates)
  return { audit, rates: async () => rates }
}

function readRates(told: readonly OfflineRate[]): Rates {
  const rates = new Map<string, Rate[]>()
  for (const { model, in: input, out: output, from } of told) {
    const rate = {
      model,
      input: parseDecimal(input),
      output: parseDecimal(output),
      from: from === null ? Number.NEGATIVE_INFINITY : Date.parse(from)
    }
    rates.set(
      model,
      [...(rates.get(model) ?? []), rate].sort((a, b) => b.from - a.from)
    )
  }
  return rates
}

const costLine = (group: string, { entries, tokensIn, tokensOut, cost, unpriced }: CostSum): CostLine => ({
  group,
  entries,
  tokensIn: tokensIn.toString(),
  tokensOut: tokensOut.toString(),
  cost: formatDecimal(cost),
  unpriced
})

function createHandlers(): Handlers {
  let opened: Opened | null = null
  let faults: readonly Fault[] = []
  let checking: Promise<unknown> = Promise.resolve()
  const current = (): Opened => {
    if (opened === null) throw new Malformed('No log has been opened.')
    return opened
  }
  /** One after the other: two readings at once would meet in the same tree. */
  const check = async (progress: Progressing): Promise<Report> => {
    const run = checking.then(() => current().audit.check(progress))
    checking = run.catch(() => undefined)
    const report = await run
    faults = report.faults
    return report
  }
  return {
    open: async ({ source, trust }, progress) => {
      opened = open(source, trust)
      faults = []
      return check(progress)
    },
    refresh: (_, progress) => check(progress),
    search: async (filter) => current().audit.records.search(filter),
    rows: async (positions) => {
      const { records } = current().audit
      return positions.filter((position) => position < records.count).map((position) => records.row(position))
    },
    entry: async ({ index }) => {
      const { audit } = current()
      const position = audit.records.positionOf(index)
      if (position < 0) return null
      return {
        position,
        text: audit.records.text(position),
        entry: audit.records.entry(position),
        proof: audit.prove(position),
        payload: audit.payload(index),
        faults: faults.filter((fault) => fault.index === index)
      }
    },
    trace: async ({ id }) => {
      const { records } = current().audit
      const positions = records.positionsOfTrace(id)
      const entries = positions.slice(0, mostOfTrace).map((position) => ({ ...records.entry(position), position }))
      return { id, parent: records.parentOf(id), entries, count: positions.length }
    },
    costs: async ({ grouping, trace }) => {
      const { audit, rates } = current()
      const { total, groups } = audit.records.costs(await rates(), grouping, trace)
      return { total: costLine('', total), groups: groups.map((group) => costLine(group.group, group)) }
    },
    heads: async ({ older }, progress) => current().audit.heads(progress, older)
  }
}

interface WorkerScope {
  readonly postMessage: (told: Told) => void
  readonly addEventListener: (type: 'message', listener: (event: { readonly data: Asked }) => void) => void
}

const leastBetweenMs = 50

export function serveQuestions(scope: WorkerScope): void {
  const handlers = createHandlers()
  scope.addEventListener('message', async ({ data: { id, question, ask } }) => {
    let toldMs = 0
    const progress: Progressing = (told) => {
      if (performance.now() - toldMs < leastBetweenMs) return
      toldMs = performance.now()
      scope.postMessage({ id, progress: told })
    }
    try {
      const answer = await (handlers[question] as (ask: unknown, progress: Progressing) => Promise<unknown>)(ask, progress)
      scope.postMessage({ id, answer })
    } catch (error) {
      const status = error instanceof SourceError ? error.status : null
      scope.postMessage({ id, error: { message: error instanceof Error ? error.message : String(error), status } })
    }
  })
}
