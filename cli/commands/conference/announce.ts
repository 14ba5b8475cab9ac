import { stat } from 'node:fs/promises'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { giveSuite } from '../../subjects/control.ts'
import { openInput } from '../../subjects/files.ts'

export const run: Run = async (args, output) => {
  const [conference = '', file = ''] = args.operands
  const found = await stat(file)
  if (!found.isFile()) throw new UsageError('<file>: expected a file')
  const to = args.value('to')
  const query = to === undefined ? '' : `?${new URLSearchParams({ to })}`
  const path = `/v1/conferences/${encodeURIComponent(conference)}/announce${query}`
  const answer = (await giveSuite(args, path, { length: found.size, stream: await openInput(file) })) as { seconds: number }
  if (output.json) await output.document(answer)
  else output.talk(`plays for ${answer.seconds} s`)
  return exitCodes.ok
}
