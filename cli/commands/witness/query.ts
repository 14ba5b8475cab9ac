import { entryLine } from '#ledger'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readFilter, readLimit } from '../../subjects/filter.ts'
import { entryJson, ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { pages } from '../../subjects/pages.ts'

export const run: Run = async (args, output) => {
  const filter = readFilter(args)
  const limit = readLimit(args) ?? Number.POSITIVE_INFINITY
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  return withReader(ledgerPlace(args), async (reader) => {
    process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
    try {
      let shown = 0
      const entries = args.has('follow') ? reader.follow(filter, stop.signal) : pages(reader, filter, limit, stop.signal)
      for await (const stored of entries) {
        if (output.json) await output.document(entryJson(stored))
        else await output.line(entryLine(stored, output.columns()))
        if (++shown >= limit) break
      }
      return exitCodes.ok
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    }
  })
}
