/** What breaks, and what comes of it: the table "When something breaks" of docs/architecture.md. */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { header, openPhone, statusOf } from '../gateways/sip/testing/phone.ts'
import { edgeHeaders, runSuite, temporaryFolder, tone, until } from './testing/harness.ts'

const external = { edge: 'external' } as const
const asExpert = { headers: () => edgeHeaders('expert-safety') }

/** A small disk of its own at `folder`; false where this user may not mount. */
async function smallDisk(t: ExecutionContext, folder: string, size: string): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return false
  }
  t.teardown(() => execFileSync('umount', ['-l', folder]))
  return true
}

/** Takes all that is left on a disk. */
async function fill(folder: string): Promise<string> {
  const file = join(folder, 'filler')
  const { bavail, bsize } = await statfs(folder)
  for (let size = bavail * bsize; size > 512; size = Math.floor(size / 2)) {
    try {
      await writeFile(file, Buffer.alloc(size), { flag: 'a' })
    } catch {
      // The rest does not take so much: try less.
    }
  }
  return file
}

test('full disk under the ledger: calls go on and new ones come in, and everything is delivered in order later', async (t) => {
  const data = await temporaryFolder(t)
  if (!(await smallDisk(t, join(data, 'ledger'), '2m'))) {
    t.pass('needs the right to mount a file system')
    return
  }
  const { suite, phone, rtp, entries, verify } = await runSuite(t, { ...external, data })
  const sound = await rtp({ says: tone(440) })
  const caller = await phone('expert-safety')
  const first = await caller.invite({ sdp: sound.sdp(), ...asExpert })
  t.is(first.status, 200)
  const filler = await fill(suite.data.ledger)
  let during = await caller.invite({ sdp: sound.sdp(), ...asExpert })
  for (let call = 0; call < 40 && suite.status().ledger.state === 'direct'; call++) {
    await during.bye()
    during = await caller.invite({ sdp: sound.sdp(), ...asExpert })
  }
  t.is(suite.status().ledger.state, 'spooling')
  t.is(during.status, 200, 'a call is taken on the strength of the spool')
  t.is(statusOf(await first.request('UPDATE', { body: sound.sdp() })), 200, 'the call that was there goes on')
  await first.bye()
  await during.bye()
  t.true(suite.status().ledger.pending > 0)
  await rm(filler)
  await suite.inside.witness.flush(20_000)
  const record = entries()
  const ofFirst = record.filter(({ payload }) => payload.callId === first.callId).map(({ event }) => event)
  t.is(ofFirst[0], 'sip_invite_received')
  t.is(ofFirst.at(-1), 'TERMINATED')
  t.is(record.filter(({ event }) => event === 'TERMINATED').length, record.filter(({ event }) => event === 'INVITE').length)
  t.is(suite.status().sip.unrecorded, 0)
  t.is((await verify()).verdict, 'valid')
})

test('no record, no call: with ledger and spool both full, new calls get 503 and the present ones go on', async (t) => {
  const data = await temporaryFolder(t)
  if (!(await smallDisk(t, data, '3m'))) {
    t.pass('needs the right to mount a file system')
    return
  }
  const { phone, rtp, entriesOf } = await runSuite(t, { ...external, data })
  const sound = await rtp({ says: tone(440) })
  const caller = await phone('expert-safety')
  const first = await caller.invite({ sdp: sound.sdp(), ...asExpert })
  t.is(first.status, 200)
  sound.talkTo(first.response.body)
  const filler = await fill(data)
  let refused = 0
  for (let call = 0; call < 60 && refused === 0; call++) {
    const next = await caller.invite({ sdp: sound.sdp(), ...asExpert })
    if (next.status === 200) await next.bye()
    else {
      refused = next.status
      t.is(header(next.response, 'retry-after'), '10')
    }
  }
  t.is(refused, 503)
  t.is(statusOf(await first.request('UPDATE', { body: sound.sdp() })), 200)
  await rm(filler)
  await until(async () => {
    const next = await caller.invite({ sdp: sound.sdp(), ...asExpert })
    if (next.status === 200) await next.bye()
    return next.status === 200
  })
  await first.bye()
  await until(() => entriesOf('witness_entries_unrecorded').length > 0)
  const { entries, traces, code } = entriesOf('witness_entries_unrecorded')[0]!.payload
  t.true(Number(entries) > 0 && (traces as string[]).length > 0, 'the record itself says what is missing')
  t.is(code, 'ENOSPC')
})

test('the application killed mid-call: nothing acknowledged is lost, and the next run closes the call in the record', async (t) => {
  const data = await temporaryFolder(t)
  const child = fork(
    fileURLToPath(new URL('./testing/suite-process.ts', import.meta.url)),
    [JSON.stringify({ ...external, data })],
    {
      execArgv: ['--disable-warning=ExperimentalWarning']
    }
  )
  t.teardown(() => void child.kill('SIGKILL'))
  const [ready] = (await once(child, 'message')) as [{ port: number }]
  const caller = await openPhone({ port: ready.port, uri: 'sip:expert-safety@external.advisor' })
  t.teardown(caller.close)
  const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'
  const call = await caller.invite({ sdp, ...asExpert })
  t.is(call.status, 200, JSON.stringify(call.response))
  child.kill('SIGKILL')
  await once(child, 'exit')
  const { suite, entries, verify } = await runSuite(t, { ...external, data })
  const ofCall = entries().filter(({ payload }) => payload.callId === call.callId)
  t.true(
    ['sip_invite_received', 'INVITE', 'policy_decision'].every((event) => ofCall.some((entry) => entry.event === event)),
    'what the 200 waited for is there'
  )
  t.like(ofCall.at(-1), { event: 'TERMINATED', payload: { reason: 'application-restart', hungUpBy: 'application' } })
  t.is((await verify()).verdict, 'valid')
  t.is(suite.status().sip.closedAfterRestart, 1)
  const again = await openPhone({ port: suite.addresses.appTcp.port, uri: 'sip:expert-safety@external.advisor' })
  t.teardown(again.close)
  call.moveTo(again)
  t.is(statusOf(await call.bye()), 481, 'the dialog is gone with the application')
})
