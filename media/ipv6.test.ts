import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { ConfigError, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, type MediaConfig, RtpPhone, type RtpPhoneOptions, sine, toneLevel } from '#media'

const loopback6 = '::1'
const has6 = networkInterfaces().lo?.some(({ address }) => address === loopback6) === true
const test6 = has6 ? test : test.skip

const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
let nextPort = 34_000 + (process.pid % 40) * 100

async function plane(t: ExecutionContext, more: Partial<MediaConfig> = {}) {
  const min = nextPort
  nextPort += 20
  const config = { address: '127.0.0.1', address6: loopback6, portRange: [min, min + 19], log: silentLog } as const
  const media = await createMediaPlane({ ...config, ...more })
  t.teardown(() => media.close())
  const open = async (options: RtpPhoneOptions) => {
    const phone = await RtpPhone.open(options)
    t.teardown(() => phone.close())
    return phone
  }
  return { media, open }
}

const tone = (frequency: number) => sine(8000, frequency, -12, 8000)

/** Waits until a tone is heard. */
async function hears(phone: RtpPhone, frequency: number): Promise<boolean> {
  for (let n = 0; n < 40; n++) {
    phone.takeHeard()
    await sleep(250)
    if (toneLevel(phone.takeHeard(), 8000, frequency) > -16) return true
  }
  return false
}

for (const udp of ['native', 'node'] as const) {
  test6(`${udp}: a phone with IPv6 and one with IPv4 hear each other, in clear and encrypted`, async (t) => {
    const { media, open } = await plane(t, { udp })
    const phones = [
      { address: loopback6, says: tone(500), srtp: udp === 'native' },
      { address: '127.0.0.1', says: tone(900) }
    ]
    const opened: RtpPhone[] = []
    for (const [n, options] of phones.entries()) {
      const phone = await open(options)
      const joined = await media.join(context, { conference: 'c', participant: `p${n}`, role: 'expert', offer: phone.sdp() })
      t.true(joined.ok)
      if (!joined.ok) return
      const place = `IN IP${n === 0 ? '6 ::1' : '4 127.0.0.1'}`
      t.deepEqual(joined.sdp.match(/IN IP.*/g), [place, place])
      phone.talkTo(joined.sdp)
      opened.push(phone)
    }
    t.true(await hears(opened[0]!, 900))
    t.true(await hears(opened[1]!, 500))
    t.is((await media.metrics()).strangers, 0)
  })
}

test6('an offer of ours has the family that was asked for, and takes no answer of the other', async (t) => {
  const { media } = await plane(t)
  const joined = await media.join(context, { conference: 'c', participant: 'p', role: 'expert', offer: null, family: 6 })
  t.true(joined.ok)
  if (!joined.ok) return
  t.deepEqual(joined.sdp.match(/IN IP.*/g), ['IN IP6 ::1', 'IN IP6 ::1'])
  const answer = (place: string) => `v=0\r\no=- 1 1 ${place}\r\ns=-\r\nc=${place}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`
  t.like(await joined.leg.answered(answer('IN IP4 127.0.0.1')), { ok: false, code: 'sdp.no-address' })
  t.like(await joined.leg.answered(answer('IN IP6 0:0:0:0:0:0:0:1')), { ok: true, held: false })
  t.like(await joined.leg.offered(answer('IN IP6 ::')), { ok: true, held: true })
  t.like(await joined.leg.offered(answer('IN IP4 0.0.0.0')), { ok: true, held: true }, 'on hold in the words of old phones')
})

test6('strangers with IPv6 are heard by nobody, and what has gone in a circle is one', async (t) => {
  const { media, open } = await plane(t)
  const phone = await open({ address: loopback6, says: tone(500) })
  const joined = await media.join(context, { conference: 'c', participant: 'p', role: 'expert', offer: phone.sdp() })
  if (!joined.ok) return t.fail()
  phone.talkTo(joined.sdp)
  const port = Number(/m=audio (\d+)/.exec(joined.sdp)![1])
  const taken = async () => (await joined.leg.stats()).received.packets
  for (let n = 0; n < 500 && (await taken()) < 5; n++) await sleep(20)
  const stranger = createSocket('udp6')
  t.teardown(() => void stranger.close())
  const packet = Buffer.alloc(172)
  packet[0] = 0x80
  for (let n = 0; n < 20; n++) {
    packet.writeUInt16BE(n, 2)
    await new Promise((sent) => stranger.send(packet, port, loopback6, sent))
  }
  for (let n = 0; n < 500 && (await media.metrics()).strangers < 20; n++) await sleep(20)
  t.is((await media.metrics()).strangers, 20)
  const other = await media.join(context, {
    conference: 'c',
    participant: 'echo',
    role: 'expert',
    offer: phone.sdp().replaceAll(`m=audio ${phone.port} `, `m=audio ${port} `)
  })
  t.true(other.ok)
  for (let n = 0; n < 500 && (await media.metrics()).strangers < 30; n++) await sleep(20)
  t.true((await media.metrics()).strangers >= 30, 'what one leg sends to another is no sound of a participant')
})

test('without an address of IPv6 its offers are refused; what is no address of this machine is none', async (t) => {
  const { media } = await plane(t, { address6: null })
  const offer = 'v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
  const ask = (more: object) => media.join(context, { conference: 'c', participant: 'p', role: 'expert', offer: null, ...more })
  t.like(await ask({ offer }), { ok: false, code: 'sdp.no-address' })
  t.like(await ask({ family: 6 }), { ok: false, code: 'sdp.no-address', reason: 'no IPv6 here' })
  for (const address6 of ['127.0.0.1', 'fe80::1', 'ff02::1', '::', '2001:db8::1'])
    await t.throwsAsync(plane(t, { address6 }), { instanceOf: ConfigError, message: /address/ }, address6)
})
