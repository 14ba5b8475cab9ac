import { type CallEntry, type Explanation, explain, groupByCall } from '#guard'
import type { LedgerReader } from '#ledger'
import type { Run } from '../../command.ts'
import { CommandError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { type Output, printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'

export const run: Run = async (args, output) => {
  const id = args.operands[0]!
  const calls = await withReader(ledgerPlace(args), async (reader) => callsOf(reader, id))
  if (calls.length === 0)
    throw new CommandError('cli.not-found', `no call in the ledger has the trace or Call-ID ${JSON.stringify(id)}`)
  for (const [at, entries] of calls.entries()) {
    const explanation = explain(entries)
    if (output.json) await output.document(explanation)
    else {
      if (at > 0) await output.line('')
      await show(explanation, output)
    }
  }
  return exitCodes.ok
}

/** Entries of every call of a trace, or of the call with this Call-ID. What the edge refused before is of the same Call-ID, though of another trace. */
async function callsOf(reader: LedgerReader, id: string): Promise<readonly (readonly CallEntry[])[]> {
  const read = async (filter: Parameters<LedgerReader['query']>[0]): Promise<CallEntry[]> =>
    (await reader.query(filter)).map(({ entry }) => ({ ...entry, traceId: entry.trace_id }))
  const callIds = [...groupByCall(await read({ trace: id })).keys()]
  const calls = await Promise.all((callIds.length > 0 ? callIds : [id]).map((callId) => read({ callId })))
  return calls.filter((entries) => entries.length > 0)
}

const verdictColour = {
  connected: 'green',
  open: 'yellow',
  unknown: 'yellow',
  rejected: 'red',
  security_rejected: 'red'
} as const
const stateColour = { passed: 'green', decided: 'red', skipped: 'yellow', 'not reached': 'dim' } as const

async function show(explanation: Explanation, output: Output): Promise<void> {
  const { paint } = output
  const { callId, traceId, expertId, hazard, verdict, decidedBy, code, reason, earlierRefusals } = explanation
  const facts = { call: callId, trace: traceId, expert: expertId, hazard }
  const head = Object.entries(facts).map(([name, value]) => [paint('dim', name), printable(value ?? '-')])
  for (const line of table(head, output.columns())) await output.line(line)
  const where = decidedBy === null ? '' : ` at layer ${decidedBy}`
  const why = code === null ? '' : ` (${printable(code)})`
  await output.line(`${paint(verdictColour[verdict], verdict.replace('_', ' '))}${where}: ${printable(reason)}${why}`)
  if (earlierRefusals > 0)
    await output.line(`after ${earlierRefusals} earlier refusal${earlierRefusals === 1 ? '' : 's'} of the same Call-ID`)
  const layers = explanation.layers.map((layer, at) => [
    `  ${at + 1}`,
    layer.layer,
    paint(stateColour[layer.state], layer.state),
    printable(layer.code === null ? layer.reason : `${layer.code}: ${layer.reason}`)
  ])
  for (const line of table(layers, output.columns())) await output.line(line)
  const { receipt } = explanation
  if (receipt !== null) {
    const by = receipt.rule === null ? 'by no rule' : `by rule ${receipt.rule}`
    const made = { decided: `${by} (${receipt.engine})`, rules: receipt.policy, input: receipt.input }
    for (const line of table(
      Object.entries(made).map(([name, value]) => [paint('dim', name), printable(value)]),
      output.columns()
    ))
      await output.line(line)
  }
  if (explanation.findings.length === 0) return
  await output.line('policies of layer 6')
  const findings = explanation.findings.map((each) =>
    ['   ', each.policy, each.verdict, `${each.code}: ${each.reason}`].map(printable)
  )
  for (const line of table(findings, output.columns())) await output.line(line)
}
