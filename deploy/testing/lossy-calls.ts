/** Calls over UDP on a network that loses packets: run in a network namespace of its own by faults.test.ts, which reads the line that it prints. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readCredentials, startSuite } from '#suite'
import { openLoadPhone } from '../../scripts/bench/load-phone.ts'

const calls = 20
const data = await mkdtemp(join(tmpdir(), 'lossy-'))
const suite = await startSuite({
  data,
  listen: { tls: 0, udp: 0 },
  logLevel: 'silent',
  limits: { requestsPer10s: 1000, callsPerMinute: 100 }
})
const { users } = await readCredentials(suite.data.credentials)
const phone = await openLoadPhone(suite.addresses.udp!.port, null)
const sdp = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\n'
const user = { name: 'expert-safety', password: users['expert-safety']!.password!, algorithm: 'SHA-256' as const }
const outcomes = await Promise.all(
  Array.from({ length: calls }, async (_, n) => {
    await sleep(n * 100)
    return phone.call({ user, dialled: 'council-safety', sdp, hold: () => sleep(500), timeoutMs: 30_000 })
  })
)
await sleep(500)
const left = suite.status().calls.length
phone.close()
await suite.stop()
await rm(data, { recursive: true, force: true })
console.log(JSON.stringify({ failed: outcomes.filter(({ ok }) => !ok), whole: outcomes.filter(({ ok }) => ok).length, left }))
process.exit(0)
