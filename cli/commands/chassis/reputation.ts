import { type EvidenceEntry, evidenceEvents, evidenceFrom, type Reputation, reputationOf } from '#chassis'
import type { Run } from '../../command.ts'
import type { Arguments } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { table } from '../../show/table.ts'
import { withChassis } from '../../subjects/chassis.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { pages } from '../../subjects/pages.ts'

/** Entries of the ledger that say something of anybody's reputation. */
async function entriesOf(args: Arguments): Promise<EvidenceEntry[]> {
  const found: EvidenceEntry[] = []
  const { signal } = new AbortController()
  await withReader(ledgerPlace(args), async (reader) => {
    for (const event of evidenceEvents)
      for await (const { entry } of pages(reader, { event }, Number.POSITIVE_INFINITY, signal)) found.push(entry)
  })
  return found
}

const places = 6
const same = (a: Reputation, b: Reputation): boolean =>
  a.score.toFixed(places) === b.score.toFixed(places) && JSON.stringify(a.judged) === JSON.stringify(b.judged)

export const score: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const swarm = args.operands[0]!
    const { at, reputation } = await chassis.reputation(swarm)
    const recomputed = args.has('check') ? reputationOf(evidenceFrom(await entriesOf(args), swarm), at) : null
    const agrees = recomputed === null || same(reputation, recomputed)
    if (output.json) await output.document({ swarm, at, ...reputation, ...(recomputed === null ? {} : { recomputed, agrees }) })
    else {
      const { judged, proof, n, p, broken } = reputation
      const rows: [string, string][] = [
        ['swarm', swarm],
        ['score', reputation.score.toFixed(3)],
        ['proof', `${proof.toFixed(3)}: lower bound of ${(100 * p).toFixed(1)} % good of ${n.toFixed(1)} (faded, capped)`],
        ['tasks', `${judged.tasksGood} completed, ${judged.tasksBad} not`],
        ['runs', `${judged.runsGood} went well, ${judged.runsBad} not`],
        ['objectives violated', `${(100 * broken).toFixed(1)} % of the time`],
        ...(recomputed === null
          ? []
          : ([
              ['from the ledger', `${recomputed.score.toFixed(3)}, ${agrees ? 'the same' : output.paint('red', 'not the same')}`]
            ] as [string, string][]))
      ]
      for (const line of table(rows, output.columns())) await output.line(printable(line))
    }
    return agrees ? exitCodes.ok : exitCodes.failure
  })

export const history: Run = (args, output) =>
  withChassis(args, output, async (chassis) => {
    const swarm = args.operands[0]!
    const days = await chassis.reputationHistory(swarm)
    if (output.json)
      for (const { day, reputation, evidence } of days) await output.document({ swarm, day, ...reputation, evidence })
    else if (days.length === 0) output.talk(`nothing was judged of ${printable(swarm)}`)
    else {
      const rows = days.map(({ day, reputation: { score: ofDay, broken }, evidence }) => [
        day,
        ofDay.toFixed(3),
        `${evidence.tasksGood}/${evidence.tasksGood + evidence.tasksBad}`,
        `${evidence.runsGood}/${evidence.runsGood + evidence.runsBad}`,
        `${(100 * broken).toFixed(1)} %`
      ])
      const head = ['day', 'score', 'tasks completed', 'runs that went well', 'objectives violated']
      for (const line of table([head, ...rows], output.columns())) await output.line(line)
    }
    return exitCodes.ok
  })
