import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { type LegEvent, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, RtpPhone, sine, toneLevel } from '#media'

test.serial('a lost thread fails every leg, and a new one serves new calls', async (t) => {
  const workers = new Set<Worker>()
  const { postMessage } = Worker.prototype
  Worker.prototype.postMessage = function (this: Worker, ...message: Parameters<typeof postMessage>) {
    workers.add(this)
    return postMessage.apply(this, message)
  }
  t.teardown(() => {
    Worker.prototype.postMessage = postMessage
  })
  const min = 52_000 + (process.pid % 200) * 20
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 19], log: silentLog })
  t.teardown(() => media.close())
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  const phones = await Promise.all([RtpPhone.open({ says: sine(8000, 500, -12, 8000) }), RtpPhone.open()])
  t.teardown(() => {
    for (const phone of phones) phone.close()
  })
  const join = (participant: string, phone: RtpPhone) =>
    media.join(context, { conference: 'council', participant, role: 'expert', offer: phone.sdp() })
  const events: LegEvent[] = []
  const before = await Promise.all(phones.map((phone, n) => join(`p${n}`, phone)))
  for (const joined of before) if (joined.ok) joined.leg.onEvent((event) => events.push(event))
  const [first] = workers
  await first!.terminate()
  await sleep(500)
  t.deepEqual(
    events.map(({ type }) => type),
    ['failed', 'failed']
  )
  for (const joined of before) if (joined.ok) t.is((await joined.leg.leave()).sent.packets, 0)
  t.deepEqual(media.conferences(), [])
  for (const [n, phone] of phones.entries()) {
    const joined = await join(`p${n}`, phone)
    t.true(joined.ok)
    if (joined.ok) phone.talkTo(joined.sdp)
  }
  await sleep(300)
  phones[1]!.takeHeard()
  await sleep(500)
  t.true(toneLevel(phones[1]!.takeHeard(), 8000, 500) > -16)
})
