import test from 'ava'
import { manualClock, silentLog } from '#kernel'
import { Motions } from './motions.ts'
import { auditVotes, type VoteEntry } from './vote-audit.ts'
import { createVoteSigner } from './vote-signer.ts'
import type { Choice } from './vote-text.ts'

/** A vote as it comes to stand in the ledger. */
async function recorded(): Promise<VoteEntry[]> {
  const entries: VoteEntry[] = []
  const time = '2026-11-21T19:00:00.000Z'
  const record = async ({ event, payload }: Pick<VoteEntry, 'event' | 'payload'>) => {
    entries.push({ event, time, payload })
    return { state: 'spooled' } as const
  }
  const motions = new Motions({ record }, manualClock(), silentLog, () => {})
  const sit = async (party: string) => {
    const signer = await createVoteSigner()
    const voter = { party, participant: `${party}-1`, key: signer.publicKey }
    await record({ event: 'webrtc_connection_started', payload: { party, participant: voter.participant, voteKey: voter.key } })
    return { signer, voter }
  }
  const [one, two] = [await sit('guardian-1'), await sit('guardian-2')]
  const opened = await motions.open('council', one.voter, { title: 'Go on?', about: null, openMs: 1000 })
  const motion = opened.ok ? opened.motion : ''
  const cast = async ({ signer, voter }: typeof one, choice: Choice, sequence: number) => {
    const signature = await signer.sign({ motion, conference: 'council', party: voter.party, sequence, choice, title: 'Go on?' })
    await motions.cast('council', voter, { motion, choice, sequence }, signature)
  }
  await cast(one, 'no', 1)
  await cast(one, 'yes', 2)
  await cast(two, 'abstain', 1)
  await motions.close('council', one.voter, motion)
  return entries
}

test('what was recorded is what was signed', async (t) => {
  const [motion] = auditVotes(await recorded())
  t.like(motion, { title: 'Go on?', closedBy: 'guardian-1', problems: [], result: { yes: 1, no: 0, abstain: 1, carried: true } })
  t.deepEqual(motion!.votes, [
    { party: 'guardian-1', choice: 'yes', sequence: 2 },
    { party: 'guardian-2', choice: 'abstain', sequence: 1 }
  ])
})

const changes: readonly (readonly [string, string, Record<string, string | number | boolean>, RegExp])[] = [
  ['another choice', 'vote_cast', { choice: 'abstain' }, /signature/],
  ['another party', 'vote_cast', { party: 'guardian-2' }, /key of its seat/],
  ['another key', 'vote_cast', { key: 'A'.repeat(87) }, /key of its seat/],
  ['another question', 'vote_opened', { title: 'Stop?' }, /signature/],
  ['another result', 'vote_closed', { no: 2, carried: false }, /result/],
  ['a key put in the place of the page’s', 'webrtc_connection_started', { voteKey: 'A'.repeat(87) }, /key of its seat/]
]
for (const [what, event, change, expected] of changes)
  test(`${what} shows`, async (t) => {
    const entries = await recorded()
    const at = entries.findIndex((entry) => entry.event === event)
    entries[at] = { ...entries[at]!, payload: { ...entries[at]!.payload, ...change } }
    t.regex(auditVotes(entries)[0]!.problems.join('; '), expected)
  })

test('a vote left out shows, and one after the end does not count', async (t) => {
  const entries = await recorded()
  const first = entries.findIndex(({ event }) => event === 'vote_cast')
  t.regex(auditVotes(entries.toSpliced(first, 1))[0]!.problems.join('; '), /out of order/)
  const [vote] = entries.splice(
    entries.findLastIndex(({ event }) => event === 'vote_cast'),
    1
  )
  const [late] = auditVotes([...entries, vote!])
  t.regex(late!.problems.join('; '), /after the end.*result/)
  t.is(late!.result.abstain, 0)
})
