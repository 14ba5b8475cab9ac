import test from 'ava'
import { Registry } from 'prom-client'
import type { Edge } from '#kamailio'
import { runSuite, until } from '../testing/harness.ts'
import { edgeMetrics } from './metrics.ts'

test('the figures of a running Kamailio are told, and count its calls', async (t) => {
  const { suite, phone, rtp, events } = await runSuite(t)
  const registry = new Registry()
  const remove = edgeMetrics(registry, suite.inside.edge!.rpc)
  const lines = async () => (await registry.metrics()).split('\n')
  const value = async (sample: string) => Number((await lines()).find((line) => line.startsWith(`${sample} `))?.split(' ')[1])
  const before = await value('kamailio_requests_total{outcome="received"}')
  t.true(before >= 0)
  const sound = await rtp()
  const expert = await phone('expert-safety')
  const call = await expert.invite({ sdp: sound.sdp() })
  t.is(call.status, 200)
  await until(() => events.some(({ type }) => type === 'established'))
  t.is(await value('kamailio_connections{transport="tls"}'), 1)
  t.true((await value('kamailio_shared_memory_bytes{state="used"}')) > 1_000_000)
  await call.bye()
  // INVITE without credentials, ACK, INVITE, ACK, BYE
  await until(async () => (await value('kamailio_requests_total{outcome="received"}')) >= before + 5)
  t.is(await value('kamailio_transactions_total{class="2xx"}'), 2)
  t.true((await value('kamailio_replies_total{outcome="sent"}')) >= 2)
  remove()
  t.is((await registry.metrics()).trim(), '')
})

test('of a Kamailio that does not answer nothing is told', async (t) => {
  const registry = new Registry()
  edgeMetrics(registry, (() => Promise.reject(new Error('no answer'))) as Edge['rpc'])
  const samples = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  t.deepEqual(samples, [])
})
