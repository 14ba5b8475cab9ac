import test from 'ava'
import { type GuardDecision, manualClock, silentLog } from '#kernel'
import { runSipApplication } from '../application.ts'
import { answer, expert, startCallsOut } from '../testing/calls-out.ts'
import { fakeConference, memoryWitness, scriptedGuard } from '../testing/fake-ports.ts'
import { fakeServer } from '../testing/fake-server.ts'
import { settled } from '../testing/settled.ts'
import { type OpenCall, readRecordedDialog } from './left-dialogs.ts'

test('what an earlier run left is ended in the record, and its phone is told as soon as there is an edge', async (t) => {
  const server = fakeServer()
  const witness = memoryWitness()
  const dialog = readRecordedDialog({
    localUri: 'sip:council@council.example',
    localTag: 'l1',
    remoteUri: 'sip:expert-safety@external.advisor',
    remoteTag: 'r1',
    remoteTarget: 'sip:expert@192.0.2.7:5061;transport=tls'
  })
  t.truthy(dialog)
  t.is(readRecordedDialog({ ...dialog!, remoteTarget: 'sip:x@y>\r\nVia: z' }), null)
  const application = await runSipApplication(
    { drachtio: { host: '127.0.0.1', port: 9022, secret: 'secret' } },
    {
      witness,
      guard: scriptedGuard(),
      conference: fakeConference(),
      log: silentLog,
      clock: manualClock(),
      openCalls: async () => [
        { traceId: 'a'.repeat(32), callId: 'left@council', receivedAt: 0, dialog },
        { traceId: 'b'.repeat(32), callId: 'never-answered@council', receivedAt: 0 }
      ]
    },
    server
  )
  t.deepEqual(
    witness.entries.map(({ event, payload }) => [event, payload.callId, payload.byeFollows]),
    [
      ['TERMINATED', 'left@council', true],
      ['TERMINATED', 'never-answered@council', false]
    ]
  )
  t.is(server.outside.length, 0)
  application.routeCallsOut('sip:127.0.0.1:5070;transport=udp')
  t.deepEqual(server.outside, [
    {
      uri: 'sip:expert@192.0.2.7:5061;transport=tls',
      method: 'BYE',
      proxy: 'sip:127.0.0.1:5070;transport=udp',
      headers: {
        From: '<sip:council@council.example>;tag=l1',
        To: '<sip:expert-safety@external.advisor>;tag=r1',
        'Call-ID': 'left@council',
        CSeq: '1100000100 BYE',
        Reason: 'SIP;cause=500;text="Restarted"'
      }
    }
  ])
  application.routeCallsOut('sip:127.0.0.1:5071')
  t.is(server.outside.length, 1)
})

test('a call of an earlier run goes on in its dialog, or is hung up on where IF.guard or the peer does not want it', async (t) => {
  const dialog = {
    localUri: 'sip:council@council.example',
    localTag: 'l1',
    remoteUri: 'sip:expert-safety@external.advisor',
    remoteTag: 'r1',
    remoteTarget: 'sip:expert@192.0.2.7:5061;transport=tls',
    localCSeq: 0
  }
  const place = { conference: 'council', hazard: 'safety' }
  const run = async (decision: Partial<GuardDecision> = {}, open: Partial<OpenCall> = {}) => {
    const witness = memoryWitness()
    const guard = scriptedGuard()
    guard.decision = decision
    const conference = fakeConference()
    const server = fakeServer()
    const application = await runSipApplication(
      { drachtio: { host: '127.0.0.1', port: 9022, secret: 'secret' }, proxy: 'sip:127.0.0.1:5070;transport=udp' },
      {
        witness,
        guard,
        conference,
        log: silentLog,
        clock: manualClock(),
        takeUp: (uri, conference) => (uri === dialog.remoteUri && conference === 'council' ? expert : null),
        openCalls: async () => [{ traceId: 'a'.repeat(32), callId: 'left@council', receivedAt: 0, dialog, place, ...open }]
      },
      server
    )
    await settled()
    return { application, witness, guard, conference, server }
  }

  const { application, witness, guard, conference, server } = await run()
  const [invite] = server.invites
  t.like(invite!.options, { uri: dialog.remoteTarget, noAck: true })
  t.like(invite!.options.headers, {
    From: '<sip:council@council.example>;tag=l1',
    To: '<sip:expert-safety@external.advisor>;tag=r1',
    'Call-ID': 'left@council',
    CSeq: '1100000001 INVITE'
  })
  t.like(guard.asked[0], { direction: 'outbound', toUri: dialog.remoteUri, hazard: 'safety' })
  t.like(witness.payload('TERMINATED'), { reason: 'application-restart', takenUp: true, byeFollows: false })
  t.like(witness.payload('INVITE'), { takesUp: 'a'.repeat(32), conference: 'council' })
  invite!.accept(answer)
  await settled()
  t.is(conference.legs[0]!.request.offer, answer)
  t.deepEqual([application.stats().takenUp, server.outside.length], [1, 0])

  // killed again: what the record says of the dialog now begins behind whatever this run has sent in it
  const again = readRecordedDialog(witness.payload('sip_dialog_established')!)
  t.like(again, { localUri: dialog.localUri, localCSeq: 1_100_000_001 })
  const next = await run({}, { dialog: again })
  t.is(next.server.invites[0]!.options.headers!.CSeq, '1101000002 INVITE')
  next.server.invites[0]!.decline(500)
  await settled()
  t.is(next.server.outside[0]!.headers.CSeq, '1101000101 BYE')
  t.is(readRecordedDialog({ ...dialog, localCSeq: 2 ** 31 }), null)

  const refused = await run({ verdict: 'reject', code: 'guard.expert.unknown' })
  t.deepEqual([refused.server.invites.length, refused.server.outside[0]!.method], [0, 'BYE'])
  const unknown = await run()
  unknown.server.invites[0]!.decline(481)
  await settled()
  t.deepEqual([unknown.server.outside.length, unknown.application.stats().takenUp], [0, 0])
  const busy = await run()
  busy.server.invites[0]!.decline(500)
  await settled()
  t.is(busy.server.outside[0]!.method, 'BYE')
  const alone = await run({}, { place: { conference: 'bridge-of-one-call', hazard: 'safety' } })
  t.deepEqual([alone.server.invites.length, alone.server.outside[0]!.method], [0, 'BYE'], 'nobody would be there')
  const nowhere = await run({}, { place: null })
  t.deepEqual([nowhere.server.invites.length, nowhere.server.outside[0]!.method], [0, 'BYE'])
  t.like(nowhere.witness.payload('TERMINATED'), { takenUp: false, byeFollows: true })
})

test('established calls outlive the SIP server: taken up over its next connection, or hung up on; what rang is over', async (t) => {
  const contact = { Contact: '<sip:guardian@192.0.2.9:5062>' }
  const { application, called, server, witness, clock } = await startCallsOut({}, undefined, (uri) =>
    uri === expert.uri ? expert : null
  )
  const { invite } = await called()
  invite.accept(answer)
  await settled()
  server.receive('INVITE', { headers: { From: '<sip:guardian-1@council.example>;tag=g1', ...contact } })
  await settled()
  server.dialogs.at(-1)!.ack()
  const ringing = await called({ callee: { ...expert, id: 'expert-ethics', uri: 'sip:expert-ethics@external.advisor' } })
  await settled()
  t.is(application.calls().filter(({ state }) => state === 'established').length, 2)
  const [invites, before] = [server.invites.length, witness.payload('sip_dialog_established')!]

  const told: string[] = []
  application.onEvent((event) => event.type === 'signalling' && told.push(event.state))
  server.lose()
  server.lose()
  await settled()
  t.deepEqual(told, ['lost'], 'attempts to connect anew that fail are no further loss')
  t.is(application.stats().active, 0)
  t.like(await ringing.call.answered, { ok: false })
  t.deepEqual([server.invites.length, server.outside.length], [invites, 0], 'nothing can be sent meanwhile')

  server.connect({} as never)
  await settled()
  const again = server.invites.at(-1)!
  t.is(server.invites.length, invites + 1)
  t.like(again.options.headers, { 'Call-ID': before.callId as string, CSeq: '1100000001 INVITE' })
  t.deepEqual(
    server.outside.map(({ method, uri }) => `${method} ${uri}`),
    ['BYE sip:guardian@192.0.2.9:5062']
  )
  again.accept(answer)
  await settled()
  t.is(application.stats().takenUp, 1)
  const lost = witness.entries.find(({ event }) => event === 'CONNECTED')!.traceId
  t.like(application.calls(), [{ state: 'established', takesUp: lost }])
  server.connect({} as never)
  await settled()
  t.is(server.invites.length, invites + 1, 'once')
  t.is(clock.pending(), 0)
})
