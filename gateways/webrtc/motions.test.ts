import { randomBytes } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { InfraFabricError, manualClock, silentLog, type WitnessEvent } from '#kernel'
import { Motions, type Voter } from './motions.ts'
import { checkVote, isVoteKey } from './vote-check.ts'
import { createVoteSigner, type VoteSigner } from './vote-signer.ts'
import { type Choice, choices, type SignedVote, voteText } from './vote-text.ts'

function setUp() {
  const clock = manualClock(1_000_000)
  const entries: WitnessEvent[] = []
  const ledger = { down: false }
  const changed: string[] = []
  const motions = new Motions(
    {
      record: async (event) => {
        await Promise.resolve()
        if (ledger.down) throw new InfraFabricError('witness.unrecorded', 'no')
        entries.push(event)
        return { state: 'spooled' }
      }
    },
    clock,
    silentLog,
    (conference) => changed.push(conference)
  )
  const vote = (voter: Voter & { signer: VoteSigner }, motion: string, choice: Choice, sequence = 1, title = 'Go on?') =>
    voter.signer
      .sign({ motion, conference: 'council', party: voter.party, sequence, choice, title })
      .then((signature) => motions.cast('council', voter, { motion, choice, sequence }, signature))
  return { clock, motions, entries, ledger, changed, vote }
}

async function voterOf(party: string): Promise<Voter & { signer: VoteSigner }> {
  const signer = await createVoteSigner()
  return { party, participant: `${party}-1`, key: signer.publicKey, signer }
}

const asked = { title: 'Go on?', about: null, openMs: 60_000 }

test('a motion is opened, voted on, changed, and closed by its time with its result', async (t) => {
  const { clock, motions, entries, vote } = setUp()
  const [one, two, three] = await Promise.all(['guardian-1', 'guardian-2', 'guardian-3'].map(voterOf))
  const opened = await motions.open('council', one!, { ...asked, about: 'f'.repeat(32) })
  t.true(opened.ok)
  const id = opened.ok ? opened.motion : ''
  t.deepEqual(await vote(one!, id, 'yes'), { ok: true, motion: id })
  t.deepEqual(await vote(two!, id, 'yes'), { ok: true, motion: id })
  t.deepEqual(await vote(two!, id, 'no', 2), { ok: true, motion: id })
  t.deepEqual(await vote(three!, id, 'yes'), { ok: true, motion: id })
  t.like(motions.of('council')[0], { open: true, result: { yes: 2, no: 1, abstain: 0, carried: true } })
  t.deepEqual(await motions.close('council', two!, id), { ok: false, code: 'motion.not-yours' })
  clock.advance(60_000)
  t.deepEqual(await vote(two!, id, 'yes', 3), { ok: false, code: 'motion.closed' })
  t.like(motions.of('council')[0], { open: false, result: { yes: 2, no: 1 } })
  t.deepEqual(
    entries.map(({ event, traceId, parentTraceId }) => [event, traceId, parentTraceId]),
    ['vote_opened', 'vote_cast', 'vote_cast', 'vote_cast', 'vote_cast', 'vote_closed'].map((event) => [event, id, 'f'.repeat(32)])
  )
  t.like(entries.at(-1)!.payload, {
    by: 'time',
    yes: 2,
    no: 1,
    abstain: 0,
    carried: true,
    votes: { 'guardian-1': 'yes', 'guardian-2': 'no', 'guardian-3': 'yes' }
  })
  for (const { payload } of entries.filter(({ event }) => event === 'vote_cast')) {
    const { motion, conference, party, sequence, choice, key, signature } = payload as unknown as SignedVote &
      Record<string, string>
    t.true(checkVote({ motion, conference, party, sequence, choice, title: asked.title }, key!, signature!))
  }
})

test('who has opened a motion closes it', async (t) => {
  const { motions, entries } = setUp()
  const one = await voterOf('guardian-1')
  const opened = await motions.open('council', one, asked)
  const id = opened.ok ? opened.motion : ''
  t.deepEqual(await motions.close('council', one, id), { ok: true, motion: id })
  t.deepEqual(await motions.close('council', one, id), { ok: false, code: 'motion.closed' })
  t.like(entries.at(-1)!.payload, { by: 'guardian-1', carried: false })
})

test('votes that are not the seat’s own, repeated, late or unknown do not count', async (t) => {
  const { motions, vote, entries } = setUp()
  const [one, two] = await Promise.all(['guardian-1', 'guardian-2'].map(voterOf))
  const opened = await motions.open('council', one!, asked)
  const id = opened.ok ? opened.motion : ''
  const refused = async (outcome: ReturnType<typeof vote>, code: string) =>
    t.deepEqual(await outcome, { ok: false, code } as never)
  await refused(vote({ ...one!, signer: two!.signer }, id, 'yes'), 'vote.signature')
  await refused(vote(one!, id, 'yes', 1, 'Stop?'), 'vote.signature')
  const signature = await one!.signer.sign({
    motion: id,
    conference: 'council',
    party: 'guardian-1',
    sequence: 1,
    choice: 'yes',
    title: asked.title
  })
  await refused(motions.cast('council', two!, { motion: id, choice: 'yes', sequence: 1 }, signature), 'vote.signature')
  await refused(motions.cast('council', one!, { motion: id, choice: 'no', sequence: 1 }, signature), 'vote.signature')
  t.true((await motions.cast('council', one!, { motion: id, choice: 'yes', sequence: 1 }, signature)).ok)
  await refused(motions.cast('council', one!, { motion: id, choice: 'yes', sequence: 1 }, signature), 'vote.sequence')
  await refused(vote(one!, id, 'no', 3), 'vote.sequence')
  await refused(vote(one!, 'a'.repeat(32), 'no'), 'motion.unknown')
  t.deepEqual(motions.of('council')[0]!.result, { yes: 1, no: 0, abstain: 0, carried: true })
  t.is(entries.filter(({ event }) => event === 'vote_cast').length, 1)
})

test('what cannot be recorded is not opened and does not count', async (t) => {
  const { motions, ledger, vote } = setUp()
  const one = await voterOf('guardian-1')
  ledger.down = true
  t.deepEqual(await motions.open('council', one, asked), { ok: false, code: 'witness.unrecorded' })
  t.deepEqual(motions.of('council'), [])
  ledger.down = false
  const opened = await motions.open('council', one, asked)
  const id = opened.ok ? opened.motion : ''
  ledger.down = true
  t.deepEqual(await vote(one, id, 'yes'), { ok: false, code: 'witness.unrecorded' })
  t.deepEqual(motions.of('council')[0]!.votes, [])
  await motions.closeAll()
  t.false(motions.of('council')[0]!.open)
})

test('a party has three motions open, a conference ten; old ones are forgotten', async (t) => {
  const { motions } = setUp()
  const voters = await Promise.all(['a', 'b', 'c', 'd'].map(voterOf))
  const outcomes = await Promise.all(voters.flatMap((voter) => [1, 2, 3, 4].map(() => motions.open('council', voter, asked))))
  t.is(outcomes.filter(({ ok }) => ok).length, 10)
  t.is(motions.of('council').filter(({ openedBy }) => openedBy === 'a').length, 3)
  for (let n = 0; n < 4; n++) {
    await motions.closeAll()
    for (const voter of voters) for (let m = 0; m < 3; m++) await motions.open('council', voter, asked)
  }
  t.is(motions.of('council').length, 30)
})

test('a key is a point of P-256', async (t) => {
  const { publicKey } = await createVoteSigner()
  t.true(isVoteKey(publicKey))
  t.false(isVoteKey(''))
  t.false(isVoteKey(publicKey.slice(2)))
  t.false(isVoteKey(Buffer.concat([Buffer.from([4]), randomBytes(64)]).toString('base64url')))
})

test('the signed text tells any two votes apart', (t) => {
  const name = fc.stringMatching(/^[a-z0-9._-]{1,20}$/)
  const vote = fc.record({
    motion: fc.constantFrom('0'.repeat(32), '1'.repeat(32)),
    conference: name,
    party: name,
    sequence: fc.integer({ min: 1, max: 3 }),
    choice: fc.constantFrom(...choices),
    title: fc.stringMatching(/^[^\n]{1,30}$/)
  })
  fc.assert(
    fc.property(
      vote,
      vote,
      (one, other) => (JSON.stringify(one) === JSON.stringify(other)) === (voteText(one) === voteText(other))
    )
  )
  t.pass()
})
