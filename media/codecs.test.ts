import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { type CallContext, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, RtpPhone, sine, toneLevel } from '#media'
import { codecNamed } from './codec/codecs.ts'

const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }

test('phones of different codecs hear one another in one conference, each tone from the others', async (t) => {
  const min = 26_000 + (process.pid % 20) * 40
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 39], log: silentLog })
  t.teardown(() => media.close())
  const names = ['PCMA', 'G722', 'opus']
  const tones = [500, 900, 1400]
  const phones = await Promise.all(
    names.map((codec, n) => {
      const { sampleRateHz } = codecNamed(codec)!
      return RtpPhone.open({ codec, says: sine(sampleRateHz, tones[n]!, -14, sampleRateHz) })
    })
  )
  t.teardown(() => {
    for (const phone of phones) phone.close()
  })
  for (const [n, phone] of phones.entries()) {
    const joined = await media.join(context, {
      conference: 'council',
      participant: names[n]!,
      role: 'expert',
      offer: phone.sdp()
    })
    if (!joined.ok) throw new Error(joined.reason)
    phone.talkTo(joined.sdp)
  }
  t.deepEqual(
    media.roster('council').map(({ codec }) => codec),
    names
  )
  await sleep(1000)
  for (const phone of phones) phone.takeHeard()
  await sleep(1000)
  for (const [n, phone] of phones.entries()) {
    const { sampleRateHz } = codecNamed(names[n]!)!
    const heard = phone.takeHeard()
    for (const [other, tone] of tones.entries()) {
      const level = toneLevel(heard, sampleRateHz, tone)
      if (other === n) t.true(level < -45, `${names[n]} hears itself at ${level}`)
      else t.true(level > -26 && level < -8, `${names[n]} hears ${names[other]} at ${level}`)
    }
  }
})
