import test from 'ava'
import { manualClock, silentLog } from '#kernel'
import { runSipApplication } from '../application.ts'
import { fakeConference, memoryWitness, scriptedGuard } from '../testing/fake-ports.ts'
import { fakeServer, type RequestOptions } from '../testing/fake-server.ts'
import { settled } from '../testing/settled.ts'
import { findReplaced, readReplaces } from './replaces.ts'

async function start(handsOver = true) {
  const witness = memoryWitness()
  const guard = scriptedGuard()
  const conference = fakeConference()
  const server = fakeServer()
  const application = await runSipApplication(
    { drachtio: { host: '127.0.0.1', port: 9022, secret: 'secret' } },
    { witness, guard, conference, log: silentLog, clock: manualClock(), ...(handsOver ? { transferTo: () => null } : {}) },
    server
  )
  const established = async () => {
    server.receive('INVITE', {})
    await settled()
    const dialog = server.dialogs.at(-1)!
    dialog.ack()
    await settled()
    return dialog
  }
  const replace = async (value: string, options: RequestOptions = {}) => {
    const invite = server.receive('INVITE', {
      uri: 'sip:127.0.0.1:5070',
      ...options,
      headers: {
        'Call-ID': 'second@phone',
        From: '<sip:expert-ethics@external.advisor>;tag=second',
        Replaces: value,
        ...options.headers
      }
    })
    await settled()
    return invite
  }
  return { application, witness, guard, conference, server, established, replace }
}

test('a call takes the place of another: IF.guard is asked, it joins that conference, and the other is hung up on', async (t) => {
  const { application, witness, guard, conference, server, established, replace } = await start()
  const first = await established()
  const { callId } = application.calls()[0]!
  const invite = await replace(`${callId};to-tag=local;from-tag=from1`, { headers: { Require: 'replaces' } })
  t.deepEqual(
    invite.sent.map(({ status }) => status),
    [200]
  )
  t.is(first.byes.length, 0, 'the council hears the first until the second is there')
  server.dialogs.at(-1)!.ack()
  await settled()
  t.like(guard.asked.at(-1), { direction: 'inbound', callId: 'second@phone', hazard: 'safety' })
  t.is(first.byes.length, 1)
  t.regex(first.byes[0]!.headers!.Reason!, /^SIP;cause=200/)
  t.deepEqual([conference.legs[0]!.left, conference.legs[1]!.left], [1, 0])
  const [before, after] = [witness.entries[0]!.traceId, witness.entries.at(-1)!.traceId]
  const connected = witness.entries.filter(({ event }) => event === 'CONNECTED').at(-1)!
  t.like(connected, { parentTraceId: before, payload: { conference: 'council', replaces: before } })
  t.like(witness.entries.find(({ event }) => event === 'TERMINATED')!, { traceId: before, payload: { reason: 'replaced' } })
  t.true([before, connected.traceId].includes(after))
  t.is(application.stats().active, 1)
})

test('what cannot be replaced, and who may not, is refused; the call that is there goes on', async (t) => {
  const { application, guard, established, replace } = await start()
  const first = await established()
  const { callId } = application.calls()[0]!
  const status = async (value: string) => (await replace(value)).last()!.status
  t.is(await status(`${callId};to-tag=other;from-tag=from1`), 481)
  t.is(await status(`${callId};to-tag=from1;from-tag=local`), 481, 'tags the wrong way round')
  t.is(await status('nobody@phone;to-tag=local;from-tag=from1'), 481)
  t.is(await status(`${callId};to-tag=local;from-tag=from1;early-only`), 486)
  for (const malformed of [
    callId,
    `${callId};to-tag=local`,
    `${callId};to-tag=local;to-tag=x;from-tag=from1`,
    ';to-tag=1;from-tag=2'
  ])
    t.is(await status(malformed), 400, malformed)
  const asked = guard.asked.length
  guard.decision = { verdict: 'reject', code: 'guard.expert.unknown' }
  t.is(await status(`${callId};to-tag=local;from-tag=from1`), 403)
  t.is(guard.asked.length, asked + 1)
  t.is(first.byes.length, 0)
  t.is(application.calls().filter(({ state }) => state === 'established').length, 1)
})

test('without transfers by policy nothing is replaced', async (t) => {
  const { application, established, replace } = await start(false)
  await established()
  const { callId } = application.calls()[0]!
  t.is((await replace(`${callId};to-tag=local;from-tag=from1`)).last()!.status, 403)
})

test('Replaces is read as RFC 3891 writes it', (t) => {
  t.deepEqual(readReplaces('425928@bobster.example.org;to-tag=7743;from-tag=6472'), {
    callId: '425928@bobster.example.org',
    localTag: '7743',
    remoteTag: '6472',
    earlyOnly: false
  })
  t.like(readReplaces(' a@b ; From-Tag=2;TO-TAG=1;early-only '), {
    callId: 'a@b',
    localTag: '1',
    remoteTag: '2',
    earlyOnly: true
  })
  t.is(readReplaces(`${'a'.repeat(2000)};to-tag=1;from-tag=2`), null)
  t.like(findReplaced(readReplaces('a@b;to-tag=1;from-tag=2')!, [], true), { ok: false, refusal: { status: 481 } })
})
