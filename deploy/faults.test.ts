/** Faults that docs/runbook.md tells of and no other test here makes: Redis gone, Kamailio given new settings under load, a bad network. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { ledgerFiles, readEntries } from '#ledger'
import { toneLevel } from '#media'
import { header, openPhone, type PhoneCall, statusOf } from '../gateways/sip/testing/phone.ts'
import { startRedis } from '../ledger/testing/redis-server.ts'
import { openUdpProxy } from '../media/testing/udp-proxy.ts'
import { digestSecret, readCredentials } from './data/credentials.ts'
import { edgeHeaders, runSuite, temporaryFolder, tone, until } from './testing/harness.ts'

const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'
const asExpert = { headers: () => edgeHeaders('expert-safety') }

test.serial('Redis killed mid-call and back: calls go on and come in, and nothing of them is missing afterwards', async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const { suite, phone } = await runSuite(t, {
    edge: 'external',
    ledger: { store: { kind: 'redis', url: redis.url } }
  })
  const caller = await phone('expert-safety')
  const present = await caller.invite({ sdp, ...asExpert })
  t.is(present.status, 200)
  await redis.kill()
  const during = await caller.invite({ sdp, ...asExpert })
  t.is(during.status, 200, 'a new call is taken on the strength of the spool')
  t.is(statusOf(await present.request('UPDATE', { body: sdp })), 200)
  await until(() => suite.status().ledger.pending > 0)
  t.is(suite.status().ledger.state, 'spooling')
  const before = suite.status().ledger.size
  await redis.restart()
  await present.bye()
  await during.bye()
  await until(() => suite.status().sip.active === 0)
  await suite.inside.witness.flush(20_000)
  t.is(suite.status().ledger.pending, 0)
  t.true(suite.status().ledger.size > before)
  t.is(suite.status().sip.unrecorded, 0)
})

test.serial('Kamailio gets new credentials while calls come in: none of them fails', async (t) => {
  const { suite, phone, events } = await runSuite(t, { limits: { requestsPer10s: 10_000, callsPerMinute: 1000 } })
  const caller = await phone('expert-safety')
  const statuses: number[] = []
  let over = false
  const load = (async () => {
    while (!over) {
      const call = await caller.invite({ sdp })
      statuses.push(call.status)
      await sleep(50)
      if (call.status === 200) statuses.push(statusOf(await call.bye()))
    }
  })()
  for (let n = 0; n < 4; n++) {
    const id = `guardian-${20 + n}`
    const entry = `\n  - id: ${id}\n    uri: sip:${id}@council.local\n    organisation: Guardian Council\n    digestUser: ${id}\n`
    await appendFile(suite.data.registry, entry)
    await until(() => events.some((event) => event.type === 'registry' && event.ok && event.newUsers.includes(id)))
  }
  over = true
  await load
  t.true(statuses.length >= 10, `${statuses.length} answers`)
  t.deepEqual([...new Set(statuses)], [200])
  const late = await (await phone('guardian-23')).invite({ to: 'council', sdp })
  t.is(late.status, 200, 'and who came last can call')
  await late.bye()
})

test.serial('a password that was replaced is refused within two seconds, and the new one is good', async (t) => {
  const { suite, phone } = await runSuite(t, { limits: { requestsPer10s: 10_000, callsPerMinute: 1000 } })
  const before = await phone('expert-safety')
  const first = await before.invite({ sdp })
  t.is(first.status, 200)
  await first.bye()
  const { users } = await readCredentials(suite.data.credentials)
  const password = 'replaced'
  const renewed = { ...users, 'expert-safety': { ...digestSecret('expert-safety', suite.config.realm, password), password } }
  await writeFile(suite.data.credentials, JSON.stringify({ users: renewed }))
  await until(async () => {
    const call = await before.invite({ sdp })
    if (call.status === 200) await call.bye()
    return call.status === 403
  })
  const after = await (await phone('expert-safety')).invite({ sdp })
  t.is(after.status, 200)
  await after.bye()
})

test.serial('5 % of the packets lost and 100 ms of jitter: the voice comes through, and the record says how', async (t) => {
  const { suite, phone, rtp, entriesOf } = await runSuite(t, { edge: 'external' })
  const sound = { expert: await rtp({ says: tone(440) }), guardian: await rtp({ says: tone(1000) }) }
  const expert = await (await phone('expert-safety')).invite({ sdp: sound.expert.sdp(), ...asExpert })
  const guardian = await (await phone('guardian-1')).invite({
    to: 'council',
    sdp: sound.guardian.sdp(),
    headers: () => edgeHeaders('guardian-1')
  })
  const port = Number(/m=audio (\d+)/.exec(expert.response.body)![1])
  const proxy = await openUdpProxy({ address: '127.0.0.1', port }, { loss: 0.05, jitterMs: 100 }, 3)
  t.teardown(proxy.close)
  sound.expert.sendTo({ address: '127.0.0.1', port: proxy.port })
  sound.guardian.talkTo(guardian.response.body)
  await until(() => proxy.counts.came > 200, 30_000)
  t.true(toneLevel(sound.guardian.takeHeard().subarray(-8000), 8000, 440) > -24)
  await expert.bye()
  await guardian.bye()
  await until(() => suite.status().sip.active === 0)
  await until(() => entriesOf('leg_quality').length === 2)
  t.true(entriesOf('leg_quality').some(({ payload }) => Number(payload.lost) > 0))
})

test.serial('5 % of all datagrams lost, of phones and inside: every call is set up and ended', async (t) => {
  const lossy = fileURLToPath(new URL('./testing/lossy-calls.ts', import.meta.url))
  const rule = 'iptables -A INPUT -p udp -m statistic --mode random --probability 0.05 -j DROP'
  const inside = `ip link set lo up && ${rule} && exec "$0" --disable-warning=ExperimentalWarning "$1"`
  try {
    await promisify(execFile)('unshare', ['-n', 'sh', '-c', `ip link set lo up && ${rule}`])
  } catch {
    t.pass('needs the right to make a network namespace, and iptables')
    return
  }
  const { stdout } = await promisify(execFile)('unshare', ['-n', 'sh', '-c', inside, process.execPath, lossy], {
    timeout: 60_000
  })
  t.deepEqual(JSON.parse(stdout), { failed: [], whole: 20, left: 0 })
})

test.serial('stopped with calls up: each phone gets a BYE over the edge, and each call has its last entry', async (t) => {
  const { suite, phone, entriesOf, verify } = await runSuite(t)
  const caller = await phone('expert-safety')
  const calls = await Promise.all(Array.from({ length: 10 }, () => caller.invite({ sdp })))
  t.deepEqual([...new Set(calls.map(({ status }) => status))], [200])
  const ended = Promise.all(calls.map((call) => call.ended()))
  await suite.stop()
  for (const bye of await ended) t.regex(bye.start, /^BYE /)
  const last = entriesOf('TERMINATED')
  t.is(last.length, 10)
  for (const { payload } of last) t.like(payload, { hungUpBy: 'application', reason: 'draining' })
  t.is(entriesOf('suite_stopped').length, 1)
  t.is((await verify()).verdict, 'valid')
})

test.serial(
  'as many files open as there may be: new calls get 503 with a true reason, present ones end as they should, and then there is room',
  async (t) => {
    const data = join(await temporaryFolder(t), 'data')
    const own = fileURLToPath(new URL('./testing/suite-process.ts', import.meta.url))
    const settings = { data, edge: 'external', media: { maxParticipants: 500 }, limits: { callsPerMinute: 1000 } }
    const child = spawn(
      'sh',
      [
        '-c',
        'ulimit -n 128 && exec "$0" --disable-warning=ExperimentalWarning "$@"',
        process.execPath,
        own,
        JSON.stringify(settings)
      ],
      { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }
    )
    t.teardown(() => void child.kill('SIGKILL'))
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    const caller = await openPhone({ port, uri: 'sip:expert-safety@external.advisor' })
    t.teardown(caller.close)
    const present: PhoneCall[] = []
    let refused: PhoneCall | null = null
    while (refused === null && present.length < 100) {
      const call = await caller.invite({ sdp, ...asExpert })
      if (call.status === 200) present.push(call)
      else refused = call
    }
    t.is(refused?.status, 503)
    t.is(header(refused!.response, 'retry-after'), '10')
    for (const call of present) t.is(statusOf(await call.bye()), 200)
    const again = await caller.invite({ sdp, ...asExpert })
    t.is(again.status, 200)
    await again.bye()
    child.kill('SIGTERM')
    await once(child, 'exit')
    const entries = readEntries(ledgerFiles(join(data, 'ledger')).database)
    const why = entries.find(({ event }) => event === 'REJECTED')!
    t.like(why.payload, { code: 'conference.no-ports', status: 503 })
    t.regex(String(why.payload.reason), /ulimit -n/)
    t.is(entries.filter(({ event }) => event === 'TERMINATED').length, present.length + 1)
  }
)
