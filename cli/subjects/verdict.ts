import { describeVerdict, type Verdict, type Verification } from '#ledger'
import { exitCodes } from '../line/exit-codes.ts'
import { type Output, printable } from '../show/output.ts'

/** Exit code of each verdict. */
export const verdictCodes: Readonly<Record<Verdict, number>> = {
  valid: exitCodes.ok,
  truncated: exitCodes.truncated,
  altered: exitCodes.altered,
  forked: exitCodes.forked,
  unwitnessed: exitCodes.unwitnessed,
  incomplete: exitCodes.incomplete
}

/** Shows what a verification found; `more` goes into the JSON document beside it. */
export async function showVerification(
  result: Verification,
  output: Output,
  more: { readonly indexFault?: string | null; readonly imported?: string | null }
): Promise<void> {
  if (output.json) {
    await output.document({ ...result, ...more })
    return
  }
  await output.line(output.paint(result.verdict === 'valid' ? 'green' : 'red', printable(describeVerdict(result))))
  await output.line(`${result.entries} entries, root ${result.root ?? '-'}, held against ${result.heads} heads`)
  for (const note of result.notes) await output.line(printable(note))
  for (const callId of [...(result.completeness?.missingCalls ?? []), ...(result.completeness?.missingRefusals ?? [])]) {
    await output.line(`not in the log: ${printable(callId)}`)
  }
  for (const { callId, traceId, missing } of result.completeness?.gaps ?? []) {
    await output.line(`call ${printable(callId)}, trace ${printable(traceId)}: lacks ${missing.join(', ')}`)
  }
  const { indexFault = null } = more
  if (indexFault !== null) await output.line(output.paint('red', printable(indexFault)))
}
