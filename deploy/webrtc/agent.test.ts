/** Software agents in the council: they see, say, vote where they may, and speak with a telephone. */
import { hash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { newTraceId, silentLog } from '#kernel'
import { decodeWav, encodeWav, sine, toneLevel } from '#media'
import type { SuiteSettings } from '#suite'
import { type AgentEvents, type AgentOptions, type CouncilAgent, joinCouncil } from '#webrtc/agent'
import { ifctl } from '../../cli/testing/run.ts'
import { edgeHeaders, runSuite, temporaryFolder, tone, until } from '../testing/harness.ts'
import { hears } from '../testing/sound.ts'

const settings: SuiteSettings = { edge: 'external', webrtc: { enabled: true, port: 0, maxBrowsers: 10 } }

async function rig(t: ExecutionContext, more: SuiteSettings = {}) {
  const run = await runSuite(t, { ...settings, ...more })
  const seat = async (party: string, ...more: string[]) => {
    const args = ['council', 'invite', party, '--as', 'agent', ...more, '--json', '--data', run.suite.data.folder]
    const { code, stdout, stderr } = await ifctl(args)
    t.is(code, 0, stderr)
    return (JSON.parse(stdout) as { url: string }).url
  }
  const agent = async (link: string, options: Partial<AgentOptions> = {}) => {
    const joined = await joinCouncil({ link, ...options })
    t.teardown(() => joined.leave())
    return joined
  }
  return { ...run, seat, agent }
}

/** A way to the page's service that can be cut. */
async function relayTo(t: ExecutionContext, url: string): Promise<{ readonly url: string; readonly cut: () => void }> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    const onward = connect(Number(new URL(url).port), '127.0.0.1')
    for (const each of [socket, onward]) open.add(each.on('error', () => each.destroy()).on('close', () => open.delete(each)))
    socket.pipe(onward).pipe(socket)
  })
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    cut()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut }
}

/** What an agent was told, by event. */
function listen<E extends keyof AgentEvents>(agent: CouncilAgent, event: E): AgentEvents[E][] {
  const told: AgentEvents[E][] = []
  agent.on(event, (...args) => void told.push(args))
  return told
}

test('agents see each other and the call, talk to all or one, and vote where their seats have a vote', async (t) => {
  const { seat, agent, phone, rtp, entriesOf, suite, verify } = await rig(t)
  const one = await agent(await seat('guardian-1', '--vote'))
  const two = await agent(await seat('expert-safety'))
  t.regex(one.participant, /^guardian-1-[0-9a-f]{8}$/)
  t.deepEqual([one.votes, two.votes], [true, false])
  await until(() => one.roster().length === 2, 5000, 'both are on the roster')
  t.deepEqual(
    one.roster().map(({ kind, role }) => [kind, role]),
    [
      ['agent', 'guardian'],
      ['agent', 'expert']
    ]
  )
  t.is(suite.inside.media.roster('council').length, 0, 'without sound they are not in the mixer')

  const [forOne, forTwo] = [listen(one, 'message'), listen(two, 'message')]
  two.send('to all')
  one.send('to you', two.participant)
  one.send('to nobody', 'nobody')
  const notices = listen(one, 'notice')
  await until(() => forOne.length === 1 && forTwo.length === 1 && notices.length === 1, 5000, 'messages')
  t.deepEqual(forOne, [[{ from: two.participant, to: null, body: 'to all' }]])
  t.deepEqual(forTwo, [[{ from: one.participant, to: two.participant, body: 'to you' }]])
  t.deepEqual(notices, [['data', 'data.nobody']])
  await until(() => entriesOf('message_sent').length === 2, 5000, 'both are recorded')
  t.false(JSON.stringify(entriesOf('message_sent')).includes('to you'), 'by their hashes')

  const sound = await rtp()
  const call = await (await phone('expert-ethics')).invite({
    to: 'council-ethics',
    sdp: sound.sdp(),
    headers: () => edgeHeaders('expert-ethics')
  })
  t.is(call.status, 200)
  await until(() => one.context().calls.some(({ state }) => state === 'connected'), 5000, 'the call is in the context')
  const [told] = one.context().calls
  t.like(told, { expert: 'expert-ethics', hazard: 'ethics', decision: { verdict: 'approve' } })
  t.deepEqual(one.context().hazards, ['ethics'])

  two.openMotion('May I?')
  const refused = listen(two, 'notice')
  await until(() => refused.length === 1, 5000, 'an agent without a vote opens nothing')
  t.deepEqual(refused, [['motion', 'vote.none']])
  one.openMotion('Go on?', { about: told!.traceId, seconds: 60 })
  await until(() => two.context().motions.length === 1, 5000, 'all see the motion')
  const { id } = two.context().motions[0]!
  await one.vote(id, 'yes')
  await until(() => two.context().motions[0]!.votes.length === 1, 5000, 'the vote is seen')
  await one.vote(id, 'abstain')
  await until(() => two.context().motions[0]!.result.abstain === 1, 5000, 'and its change')
  one.closeMotion(id)
  await until(() => !two.context().motions[0]!.open, 5000, 'closed')
  const votes = await ifctl(['council', 'votes', '--json', '--data', suite.data.folder])
  t.is(votes.code, 0, votes.stderr)
  t.like(JSON.parse(votes.stdout), { title: 'Go on?', problems: [], result: { abstain: 1, carried: false } })

  const over = listen(two, 'over')
  await ifctl(['council', 'revoke', 'expert-safety', '--data', suite.data.folder])
  await until(() => over.length === 1, 5000, 'cut off')
  t.deepEqual(over, [['seat.revoked', 'your seat was taken back']])
  await until(
    () => one.roster().some(({ participant }) => participant.startsWith('expert-ethics')),
    5000,
    'the telephone is seen'
  )
  await until(() => !one.roster().some(({ participant }) => participant === two.participant), 5000, 'and is seen no more')
  await call.bye()
  await one.leave()
  t.is((await verify()).verdict, 'valid')
})

test('who is asked by an announcement whether it may be recorded answers by key: on a telephone, and on a seat', async (t) => {
  const announcement = join(await temporaryFolder(t), 'ask.wav')
  await writeFile(announcement, encodeWav({ sampleRateHz: 8000, samples: sine(8000, 600, -14, 4000) }))
  const policy = { conference: 'council', consent: 'key', announcement, answerWithinMs: 20_000 } as const
  const { seat, agent, phone, rtp, entriesOf, suite } = await rig(t, { recording: { enabled: true, policies: [policy] } })
  const sound = await rtp({ says: tone(1000) })
  const call = await (await phone('expert-safety')).invite({
    to: 'council-safety',
    sdp: sound.sdp(),
    headers: () => edgeHeaders('expert-safety')
  })
  sound.talkTo(call.response.body)
  const one = await agent(await seat('guardian-1'), { sound: true })
  void one.sound!.say([sine(48_000, 440, -12, 48_000)])
  const stands = () => suite.inside.recorder!.status()[0]?.participants.map(({ consent }) => consent)
  await until(() => stands()?.join() === 'asked,asked', 15_000, 'both have heard the question')
  t.is(entriesOf('recording_started').length, 0, 'before anybody has agreed nothing is recorded')
  sound.press('0')
  one.press('1')
  await until(() => entriesOf('recording_consent').length === 2, 10_000, 'both have answered')
  const answers = entriesOf('recording_consent').map(({ payload: { role, given, by } }) => ({ role, given, by }))
  t.deepEqual(
    answers.sort((a, b) => String(a.role).localeCompare(String(b.role))),
    [
      { role: 'expert', given: false, by: 'key' },
      { role: 'guardian', given: true, by: 'key' }
    ]
  )
  await until(() => stands()?.includes('given') === true && stands()!.includes('refused'))
  t.is(suite.inside.recorder!.status()[0]!.state, 'running')
  await call.bye()
})

test('an agent speaks with a telephone, on the same seat after its connection was lost', async (t) => {
  const { seat, agent, phone, rtp, suite } = await rig(t)
  const sound = await rtp({ says: tone(1000) })
  const call = await (await phone('expert-safety')).invite({
    to: 'council-safety',
    sdp: sound.sdp(),
    headers: () => edgeHeaders('expert-safety')
  })
  sound.talkTo(call.response.body)
  const relay = await relayTo(t, suite.addresses.council!)
  const link = (await seat('guardian-1')).replace(suite.addresses.council!, relay.url)
  const speaker = await agent(link, { sound: true })
  const second = sine(48_000, 440, -12, 48_000)
  const saying = speaker.sound!.say(
    (function* () {
      for (let n = 0; n < 20; n++) yield second
    })()
  )
  t.true(await hears(sound, 440), 'the telephone hears the agent')
  const heard: number[] = []
  for await (const piece of speaker.sound!.heard()) {
    heard.push(...piece)
    if (heard.length >= 48_000) break
  }
  t.true(toneLevel(Int16Array.from(heard.slice(-24_000)), 48_000, 1000) > -30, 'the agent hears the telephone')

  const { participant } = speaker
  const states = listen(speaker, 'state')
  relay.cut()
  await until(() => states.some(([state]) => state === 'connected'), 10_000, 'it comes back')
  t.is(speaker.participant, participant)
  t.true(await hears(sound, 440), 'and is heard as before')
  await speaker.leave()
  await saying
  await until(() => suite.inside.media.roster('council').length === 1, 5000, 'it has left')
  await call.bye()
})

test('evidence comes to agents by data channel, goes on after the connection was lost, and they share files, too', async (t) => {
  const { seat, agent, suite, entriesOf } = await rig(t)
  const folder = await temporaryFolder(t)
  const relay = await relayTo(t, suite.addresses.council!)
  const link = (await seat('guardian-1')).replace(suite.addresses.council!, relay.url)
  const one = await agent(link, { evidence: join(folder, 'one') })
  const two = await agent(await seat('expert-safety'), { evidence: join(folder, 'two') })
  const none = await agent(await seat('guardian-2'))
  t.is(none.share, null, 'who did not ask for evidence has none')
  await t.throwsAsync(one.share!(import.meta.filename), { code: 'agent.evidence.no-call' })

  const { evidence } = suite.inside.webrtc!
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  const opened = evidence.bridge.open(context, { conference: 'council', expertId: 'expert-safety' })
  if (!opened.ok) return t.fail(opened.detail)
  const pages = () => evidence.calls()[0]!.pages
  await until(() => pages().filter(({ state }) => state === 'ACTIVE').length === 2, 10_000, 'both have a channel')

  const [forOne, forTwo] = [listen(one, 'evidence'), listen(two, 'evidence')]
  const octets = randomBytes(24 << 20)
  const sha256 = hash('sha256', octets)
  const facts = { trace: context.traceId, name: 'run of the model.bin', mediaType: 'application/octet-stream', sha256 }
  const shared = await evidence.share(
    { ...facts, bytes: octets.length, by: 'test', via: 'http' },
    (async function* () {
      yield octets
    })()
  )
  if (!shared.ok) return t.fail(shared.reason)
  const sent = () => pages().find(({ participant }) => participant === one.participant)?.sentBytes ?? 0
  await until(() => sent() > 6 << 20, 20_000, 'a part of it is on its way')
  relay.cut()
  await until(() => forOne.length === 1 && forTwo.length === 1, 60_000, 'both have it')
  for (const [file] of [...forOne, ...forTwo]) {
    t.like(file, { id: shared.item.id, name: facts.name, by: 'test', sha256, bytes: octets.length })
    t.is(hash('sha256', await readFile(file.path)), sha256)
  }
  t.true(evidence.totals().resumes >= 1, 'it went on, and did not begin anew')
  t.true(sent() < 1.5 * octets.length, `${sent()} octets were sent`)
  await until(() => entriesOf('evidence_received').length === 2, 10_000, 'both receipts are in the ledger')

  const own = join(folder, 'statement.txt')
  await writeFile(own, 'what the agent saw')
  const { id, call } = await two.share!(own, { mediaType: 'text/plain' })
  t.is(call, context.traceId)
  t.like(evidence.list(call).at(-1), { id, name: 'statement.txt', by: two.participant, via: 'page' })
  await until(() => forOne.length === 2, 10_000, 'the other has it')
  t.is(await readFile(forOne[1]![0].path, 'utf8'), 'what the agent saw')
  t.is(forTwo.length, 1, 'who shares it does not get it back')
  await t.throwsAsync(two.share!(own, { name: 'page.html', mediaType: 'text/html' }), {
    code: 'agent.evidence.refused',
    message: /evidence\.media-type/
  })

  const joining = ['council', 'join', await seat('expert-ethics'), '--evidence', join(folder, 'three'), '--share', own, '--json']
  const { code, stdout, stderr } = await ifctl(joining)
  t.is(code, 0, stderr)
  const told = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.like(
    told.find(({ type }) => type === 'notice'),
    { of: 'share', code: 'agent.evidence.refused' },
    'the same file twice'
  )
  t.like(told.at(-1), { type: 'over', code: 'left' })
  await opened.session.close('over')
})

test('ifctl council join: what the README shows', async (t) => {
  const { seat, agent, suite } = await rig(t)
  const folder = await temporaryFolder(t)
  const file = join(folder, 'statement.wav')
  await writeFile(file, encodeWav({ samples: sine(48_000, 440, -12, 96_000), sampleRateHz: 48_000 }))
  const listener = await agent(await seat('guardian-1'), { sound: true })
  const messages = listen(listener, 'message')
  const heard: number[] = []
  void (async () => {
    for await (const piece of listener.sound!.heard()) heard.push(...piece)
  })()
  const out = join(folder, 'heard.wav')
  const args = [
    'council',
    'join',
    await seat('expert-safety'),
    '--say',
    file,
    '--hear',
    out,
    '--send',
    'good day',
    '--seconds',
    '4'
  ]
  const { code, stdout, stderr } = await ifctl([...args, '--json'])
  t.is(code, 0, stderr)
  const told = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.like(told[0], { type: 'joined', conference: 'council', votes: false })
  t.like(told.at(-1), { type: 'over', code: 'left' })
  t.is(messages[0]![0].body, 'good day')
  const loudest = Math.max(
    ...Array.from({ length: Math.floor(heard.length / 9600) }, (_, n) =>
      toneLevel(Int16Array.from(heard.slice(n * 9600, (n + 1) * 9600)), 48_000, 440)
    )
  )
  t.true(loudest > -30, 'what it said was heard')
  t.true(decodeWav(await readFile(out)).samples.length > 48_000)
  const wrong = await ifctl(['council', 'join', 'http://127.0.0.1:1/#short'])
  t.not(wrong.code, 0)
  t.regex(wrong.stderr, /agent\.link/)
  await t.throwsAsync(joinCouncil({ link: `${suite.addresses.council}/#${'A'.repeat(43)}` }), {
    code: 'agent.refused',
    message: /seat\.unknown/
  })
})
