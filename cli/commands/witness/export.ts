import { resolve } from 'node:path'
import type { Run } from '../../command.ts'
import { type Arguments, UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { progressBar } from '../../show/progress.ts'
import { readRates } from '../../subjects/costs.ts'
import { readFilter, readLimit } from '../../subjects/filter.ts'
import { ledgerFolder, withReader } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const { ledgerExports, ledgerFiles } = await import('#ledger')
  const { exportFormats, exportLedger } = await ledgerExports()
  const format = exportFormats.find((each) => each === args.required('format'))
  if (format === undefined) throw new UsageError(`--format: expected one of ${exportFormats.join(', ')}`)
  const out = outOf(args)
  if (out === '-' && (format === 'pdf' || format === 'bundle')) throw new UsageError(`--out is needed: a ${format} is a file`)
  const limit = readLimit(args)
  const filter = { ...readFilter(args), ...(limit === undefined ? {} : { limit }) }
  const rates = await readRates(args)
  const folder = ledgerFolder(args)
  const stop = new AbortController()
  const interrupt = (): void => stop.abort()
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    const { leftOut, ...summary } = await withReader(folder, (reader) =>
      exportLedger(
        { reader, files: ledgerFiles(folder) },
        {
          format,
          filter,
          rates,
          // a line brings its own end
          out: out === '-' ? (piece) => output.line(piece.toString('utf8').slice(0, -1)) : resolve(out),
          replace: args.has('force'),
          unwitnessed: args.has('unwitnessed'),
          withPayloads: args.has('with-payloads'),
          onProgress: progressBar(),
          signal: stop.signal
        }
      )
    )
    if (leftOut > 0)
      output.talk(`${leftOut} newer entries are left out: no quorum has cosigned a head over them yet; --unwitnessed takes them`)
    const told = `${summary.entries} entries${summary.whole ? '' : ' found'}, under a head of ${summary.size} with root ${summary.root}`
    if (summary.page === false) output.talk('the bundle is too large for the page: index.html is not in it')
    if (out === '-') output.talk(told)
    else if (output.json) await output.document({ ...summary, left_out: leftOut, file: out })
    else await output.line(`${told}: ${printable(out)}`)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
  return exitCodes.ok
}

function outOf(args: Arguments): string {
  const out = args.value('out') ?? '-'
  if (out === '') throw new UsageError('--out is empty')
  return out
}
