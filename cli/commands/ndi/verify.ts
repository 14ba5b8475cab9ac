import { batchIn } from '#ledger'
import { createStreamCheck, readStreamFile } from '#ndi'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { pages } from '../../subjects/pages.ts'

export const run: Run = async (args, output) => {
  const roots = new Set<string>()
  await withReader(ledgerPlace(args), async (reader) => {
    const filter = { component: 'IF.witness.ndi-publisher', event: 'ndi_batch_complete' }
    for await (const { entry } of pages(reader, filter, Number.POSITIVE_INFINITY, new AbortController().signal)) {
      const batch = batchIn(entry.payload)
      if (batch !== null) roots.add(batch.root)
    }
  })
  const check = createStreamCheck((root) => roots.has(root))
  for await (const frame of readStreamFile(args.operands[0]!)) {
    if (frame.type === 'video') check.frame(frame)
    else check.metadata(frame.text)
  }
  const { good, altered, unattested, missing, foreign } = check.verdict()
  if (output.json) {
    const told = (timecodes: readonly bigint[]) => timecodes.map(String)
    await output.document({ good, altered: told(altered), unattested: told(unattested), missing: told(missing), foreign })
  } else {
    await output.line(`${good} frames are those that the ledger vouches for`)
    if (altered.length > 0)
      await output.line(output.paint('red', `${altered.length} frames are altered: timecodes ${altered.slice(0, 10).join(', ')}`))
    if (unattested.length > 0)
      await output.line(`${unattested.length} frames are attested by nothing in this recording and this ledger`)
    if (missing.length > 0) await output.line(`${missing.length} attested frames are not in this recording`)
    if (foreign.length > 0) await output.line(`${foreign.length} attestations on the stream are not in this ledger`)
  }
  if (altered.length > 0) return exitCodes.altered
  return good > 0 && unattested.length === 0 && missing.length === 0 && foreign.length === 0 ? exitCodes.ok : exitCodes.incomplete
}
