import { parseSignature, readSigningKey, signRequest } from '#guard'
import { InfraFabricError } from '#kernel'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { readMoment } from '../../line/times.ts'
import { readInput } from '../../subjects/files.ts'

export const run: Run = async (args, output) => {
  const fields = {
    traceId: args.value('trace') ?? null,
    hazard: args.value('hazard') ?? null,
    fromUri: args.required('from'),
    toUri: args.required('to'),
    callId: args.required('call-id'),
    cseq: args.wholeNumber('cseq', 0, 2 ** 31 - 1) ?? 1,
    method: args.value('method') ?? 'INVITE'
  }
  const key = readSigningKey((await readInput(args.required('key'))).toString('utf8'))
  const bodyPath = args.value('body')
  const body = bodyPath === undefined ? Buffer.alloc(0) : await readInput(bodyPath)
  const at = args.value('at')
  const now = Date.now()
  const header = signRequest(key, { ...fields, body }, at === undefined ? now : readMoment(at, 'at', now), args.value('nonce'))
  refuseUnreadable(header)
  if (output.json) await output.document({ header: 'X-IF-Signature', value: header, keyId: key.id })
  else await output.line(header)
  return exitCodes.ok
}

/** A nonce of the user's own may make a header that no guard would read. */
function refuseUnreadable(header: string): void {
  try {
    parseSignature(header)
  } catch (error) {
    if (error instanceof InfraFabricError) throw new UsageError(error.message)
    throw error
  }
}
