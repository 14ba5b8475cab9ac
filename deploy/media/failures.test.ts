/** What comes of a call when its sound breaks. */
import { createSocket } from 'node:dgram'
import type { Worker } from 'node:worker_threads'
import test from 'ava'
import { toneLevel } from '#media'
import { header } from '../../gateways/sip/testing/phone.ts'
import { terminal } from '../testing/h323.ts'
import { edgeHeaders, runSuite, tone, until } from '../testing/harness.ts'

const asExpert = { headers: () => edgeHeaders('expert-safety') }
const asGuardian = { to: 'council', headers: () => edgeHeaders('guardian-1') }

test.serial('a phone that vanishes: its call ends with BYE after the media timeout', async (t) => {
  const { suite, phone, rtp, entriesOf } = await runSuite(t, { edge: 'external', media: { timeoutMs: 400 } })
  const sound = await rtp()
  const call = await (await phone('expert-safety')).invite({ sdp: sound.sdp(), ...asExpert })
  t.is(call.status, 200)
  t.is(header(await call.ended(), 'reason'), 'SIP;cause=408;text="Media timeout"')
  await until(() => suite.status().sip.active === 0)
  t.like(entriesOf('TERMINATED')[0], { payload: { hungUpBy: 'conference', reason: 'media-timeout' } })
  t.deepEqual(suite.inside.media.conferences(), [])
})

test.serial('the media thread dies: its calls end with BYE and a reason, and new calls are carried by a new one', async (t) => {
  const workers: Worker[] = []
  const note = (worker: Worker) => void (worker.threadName === 'media' && workers.push(worker))
  process.on('worker', note)
  t.teardown(() => void process.off('worker', note))
  const running = await runSuite(t, { edge: 'external', h323: { enabled: true, ras: 0, signalling: 0, router: 0 } })
  const { suite, phone, rtp, entriesOf, events } = running
  const room = await terminal(t, running, 'guardian-1', 1000)
  await room.call('council')
  const sound = await rtp({ says: tone(440) })
  const caller = await phone('expert-safety')
  const call = await caller.invite({ sdp: sound.sdp(), ...asExpert })
  sound.talkTo(call.response.body)
  await until(() => events.some((event) => event.type === 'established'))
  await until(() => suite.inside.media.roster('council').length === 2)
  await workers[0]!.terminate()
  await until(() => room.endpoint.calls().length === 0, 10_000, 'the room is hung up on')
  t.is(header(await call.ended(), 'reason'), 'SIP;cause=500;text="Media failure"')
  await until(() => suite.status().sip.active === 0)
  t.like(entriesOf('TERMINATED')[0], { payload: { reason: 'media-failed' } })
  t.true(entriesOf('BRIDGE_STATE_CHANGED').some(({ payload }) => payload.state === 'ERROR'))
  await until(() => workers.length === 2)
  let again = await caller.invite({ sdp: sound.sdp(), ...asExpert })
  await until(async () => {
    if (again.status === 200) return true
    again = await caller.invite({ sdp: sound.sdp(), ...asExpert })
    return false
  })
  t.is(again.status, 200)
  await again.bye()
})

test.serial('RTP from strangers is neither heard nor followed, and stands in the record', async (t) => {
  const { phone, rtp, entriesOf } = await runSuite(t, { edge: 'external' })
  const expertSound = await rtp({ says: tone(440) })
  const guardianSound = await rtp({ says: tone(1000) })
  const expert = await (await phone('expert-safety')).invite({ sdp: expertSound.sdp(), ...asExpert })
  const guardian = await (await phone('guardian-1')).invite({ sdp: guardianSound.sdp(), ...asGuardian })
  expertSound.talkTo(expert.response.body)
  guardianSound.talkTo(guardian.response.body)
  await new Promise((resolve) => setTimeout(resolve, 600))
  const stranger = await rtp({ says: tone(2000) })
  stranger.talkTo(expert.response.body)
  const noise = createSocket('udp4')
  const port = Number(/m=audio (\d+)/.exec(expert.response.body)![1])
  for (let i = 0; i < 200; i++) noise.send(Buffer.alloc(172, i), port, '127.0.0.1')
  guardianSound.takeHeard()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  noise.close()
  const heard = guardianSound.takeHeard().subarray(-4000)
  t.true(toneLevel(heard, 8000, 440) > -20, 'the Guardian hears the expert')
  t.true(toneLevel(heard, 8000, 2000) < -50, 'and not the stranger')
  t.is(stranger.takeHeard().length, 0, 'the stranger hears nothing')
  await until(() => entriesOf('RTP_STRANGER_REJECTED').length > 0)
  t.is(entriesOf('RTP_STRANGER_REJECTED')[0]!.payload.callId, expert.callId)
  await expert.bye()
  await guardian.bye()
})
