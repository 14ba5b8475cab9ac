import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { giveSuite } from '../../subjects/control.ts'
import { openInput } from '../../subjects/files.ts'
import { mediaTypeOf } from '../../subjects/media-types.ts'

interface Shared {
  readonly evidence: { readonly id: string; readonly bytes: number; readonly sha256: string }
  readonly calls: readonly string[]
}

export const run: Run = async (args, output) => {
  const file = args.operands[0]!
  const trace = args.required('trace')
  const found = await stat(file)
  if (!found.isFile()) throw new UsageError('<file>: expected a file')
  const name = args.value('name') ?? basename(file)
  const query = new URLSearchParams({
    trace,
    name,
    media_type: args.value('type') ?? mediaTypeOf(name)
  })
  const octets = { length: found.size, stream: await openInput(file) }
  const { evidence, calls } = (await giveSuite(args, `/v1/evidence?${query}`, octets)) as Shared
  if (output.json) await output.document({ ...evidence, calls })
  else {
    output.talk(
      calls.length === 0
        ? 'no call of this trace is open: it is kept, and offered when there is one'
        : `offered in ${calls.length === 1 ? 'one call' : `${calls.length} calls`}`
    )
    await output.line(`${evidence.id} ${evidence.sha256}`)
  }
  return exitCodes.ok
}
