import { auditVotes, type VoteEntry, voteComponents } from '#webrtc/votes'
import type { Run } from '../../command.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'
import { ledgerPlace, withReader } from '../../subjects/ledger.ts'
import { pages } from '../../subjects/pages.ts'

const events = new Set(['webrtc_connection_started', 'vote_opened', 'vote_cast', 'vote_closed'])

export const run: Run = async (args, output) => {
  const conference = args.value('conference')
  const found = await withReader(ledgerPlace(args), async (reader) => {
    const entries: { readonly index: number; readonly entry: VoteEntry }[] = []
    for (const component of Object.values(voteComponents)) {
      for await (const { entry } of pages(reader, { component }, Number.POSITIVE_INFINITY, new AbortController().signal)) {
        const { index, event, time, payload } = entry
        if (events.has(event)) entries.push({ index, entry: { event, time, payload } })
      }
    }
    return entries.sort((one, other) => one.index - other.index).map(({ entry }) => entry)
  })
  const motions = auditVotes(found).filter((motion) => conference === undefined || motion.conference === conference)
  for (const motion of motions) {
    if (output.json) {
      await output.document(motion)
      continue
    }
    const { title, openedBy, openedAt, closedAt, closedBy, votes, result, problems } = motion
    const outcome = closedAt === null ? 'open' : result.carried ? 'carried' : 'not carried'
    await output.line(printable(`${motion.conference}: ${title}`))
    await output.line(`  ${outcome}: ${result.yes} yes, ${result.no} no, ${result.abstain} abstain`)
    await output.line(
      printable(`  opened ${openedAt} by ${openedBy}${closedAt === null ? '' : `, closed ${closedAt} by ${closedBy}`}`)
    )
    for (const { party, choice, sequence } of votes)
      await output.line(
        printable(`  ${party}: ${choice}${sequence > 1 ? `, changed ${sequence - 1} times` : ''}, signature good`)
      )
    for (const problem of problems) await output.line(output.paint('red', printable(`  ${problem}`)))
  }
  if (motions.length === 0 && !output.json) output.talk('nothing was put to the vote')
  return motions.some(({ problems }) => problems.length > 0) ? exitCodes.failure : exitCodes.ok
}
