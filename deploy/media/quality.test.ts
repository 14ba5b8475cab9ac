/** How a call sounded: in the ledger, in what operators measure, and in what `ifctl` shows of it. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import test from 'ava'
import { openUdpProxy } from '../../media/testing/udp-proxy.ts'
import { edgeHeaders, runSuite, tone, until } from '../testing/harness.ts'

const run = promisify(execFile)

test('a call over a network that loses a tenth: its quality is an entry, a figure, and a line of the trace', async (t) => {
  const { suite, phone, rtp, entriesOf, verify } = await runSuite(t, { edge: 'external' })
  const sound = await rtp({ says: tone(440) })
  const call = await (await phone('expert-safety')).invite({ sdp: sound.sdp(), headers: () => edgeHeaders('expert-safety') })
  t.is(call.status, 200)
  const port = Number(/m=audio (\d+)/.exec(call.response.body)![1])
  const proxy = await openUdpProxy({ address: '127.0.0.1', port }, { loss: 0.1 }, 5)
  t.teardown(proxy.close)
  sound.sendTo({ address: '127.0.0.1', port: proxy.port })
  await until(() => proxy.counts.came > 120 && proxy.counts.lost > 8, 30_000)
  await call.bye()
  await until(() => suite.status().sip.active === 0)
  const [entry] = entriesOf('leg_quality')
  const { payload, trace_id: trace } = entry!
  t.is(payload.codec, 'PCMU')
  t.true(Number(payload.lost) > 5 && Number(payload.expected) > 80, JSON.stringify(payload))
  t.true(Number(payload.mosListening) < 4.3 && Number(payload.rFactor) < 90)
  t.is((await verify()).verdict, 'valid')

  const { url, token } = JSON.parse(await readFile(suite.data.control, 'utf8')) as { url: string; token: string }
  const metrics = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  t.regex(metrics, /^media_leg_mos_count\{codec="PCMU",kind="listening"\} 1$/m)
  t.regex(metrics, /^media_leg_loss_ratio_bucket\{le="0.01",codec="PCMU"\} 0$/m)
  t.regex(metrics, /^media_legs 0$/m)
  const received = Number(/^media_packets_total\{direction="received",outcome="carried"\} (\d+)$/m.exec(metrics)![1])
  t.true(received > 60)

  const { stdout } = await run(process.execPath, [...['cli/ifctl.cjs', 'witness', 'trace', trace, '--ledger', suite.data.ledger]])
  t.regex(stdout, /leg_quality .*codec=PCMU/)
})
