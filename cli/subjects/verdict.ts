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

/** What an auditor does next. */
const next: Readonly<Record<Exclude<Verdict, 'valid'>, string>> = {
  truncated:
    'keep the checkpoint that shows it, which proves that there was more; ask the keeper for what is missing, or for a copy from before',
  altered: 'keep these files as they are; ask for an earlier copy or export, and hold it against the same checkpoint',
  forked:
    'keep both heads: two signatures under two stories prove it, whatever the keeper says; ask the witnesses which they cosigned',
  unwitnessed:
    'rely on no entry that is under no good head; is the key the one that you were given? ask the keeper for the signatures that are missing',
  incomplete: 'ask the keeper what became of it: the spool of a process that ended may still hold entries'
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
  const { entries, root, heads, index } = result
  if (root !== null) await output.line(`${entries} entries, root ${root}, held against ${heads} heads`)
  else if (index !== null) await output.line(`entries were read up to there, ${entries} of them; heads were not looked at`)
  for (const note of result.notes) await output.line(printable(note))
  for (const callId of [...(result.completeness?.missingCalls ?? []), ...(result.completeness?.missingRefusals ?? [])]) {
    await output.line(`not in the log: ${printable(callId)}`)
  }
  for (const { callId, traceId, missing } of result.completeness?.gaps ?? []) {
    await output.line(`call ${printable(callId)}, trace ${printable(traceId)}: lacks ${missing.join(', ')}`)
  }
  if (result.verdict !== 'valid') await output.line(`next: ${next[result.verdict]}`)
  const { indexFault = null } = more
  if (indexFault === null) return
  await output.line(output.paint('red', printable(`queries may hide entries: ${indexFault}`)))
  await output.line('next: remove index.db, which is made anew from the log')
}
