import { loadRuntime } from '#ndi'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { sourcesNow } from '../../subjects/ndi.ts'

const defaultSeconds = 3

export const run: Run = async (args, output) => {
  const sources = await sourcesNow(loadRuntime(), args, args.wholeNumber('seconds', 1, 3600) ?? defaultSeconds)
  if (output.json) {
    await output.document({ sources })
    return exitCodes.ok
  }
  if (sources.length === 0) output.talk('no source: multicast DNS needs avahi-daemon; --address asks a machine directly')
  else
    for (const line of table(
      [['source', 'address'], ...sources.map(({ name, address }) => [name, address ?? '-'])],
      output.columns()
    ))
      await output.line(printable(line))
  return exitCodes.ok
}
