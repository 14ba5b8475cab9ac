import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type CallContext, newTraceId, silentLog } from '#kernel'
import { createMediaPlane, type MediaConfig, RtpPhone, type RtpPhoneOptions, sine, toneLevel } from '#media'
import { readAnswer, readDescription, writeAnswer, writeOffer } from './sdp.ts'
import { Secrecy } from './srtp/secrecy.ts'

const context: CallContext = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
const key = 'd0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj'
const crypto = `a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:${key}`
const origin = { sessionId: '7', version: 3, address: '127.0.0.1' }
const sdp = (...media: string[]) =>
  `${['v=0', 'o=a 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...media].join('\r\n')}\r\n`
const offered = (policy: 'required' | 'preferred' | 'off', ...media: string[]) => {
  const read = readDescription(sdp(...media), new Secrecy(policy))
  return read.ok ? (read.terms.srtp?.suite ?? 'clear') : read.code
}

test('what is done with an offer, by policy', (t) => {
  const secure = ['m=audio 4000 RTP/SAVP 0', crypto]
  const either = ['m=audio 4000 RTP/AVP 0', crypto]
  const plain = ['m=audio 4000 RTP/AVP 0']
  const suite = 'AES_CM_128_HMAC_SHA1_80'
  const refused = 'sdp.unsupported-profile'
  t.deepEqual(
    [secure, either, plain].map((media) => offered('required', ...media)),
    [suite, suite, refused]
  )
  t.deepEqual(
    [secure, either, plain].map((media) => offered('preferred', ...media)),
    [suite, suite, 'clear']
  )
  t.deepEqual(
    [secure, either, plain].map((media) => offered('off', ...media)),
    [refused, 'clear', 'clear']
  )
  t.is(offered('preferred', ...plain, ...secure), suite)
  t.is(offered('required', 'm=audio 4000 RTP/SAVP 0'), refused)
  t.is(offered('required', 'm=audio 4000 RTP/SAVP 0', 'a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA'), refused)
  t.is(offered('required', 'm=audio 4000 RTP/SAVP 0', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA'), 'sdp.malformed')
  t.is(offered('required', 'm=audio 4000 RTP/SAVP 3', crypto), 'sdp.no-common-codec')
  t.is(offered('required', 'm=audio 4000 UDP/TLS/RTP/SAVPF 0', crypto), refused)
  // keys stand in the section they are for
  t.is(offered('required', 'm=audio 4000 RTP/SAVP 0', 'm=video 4002 RTP/SAVP 99', crypto), refused)
})

test('an offer that leaves encryption to the peer can be made once more as a demand, with the same keys', (t) => {
  const ours = new Secrecy('preferred')
  const [left, demanded] = [writeOffer(origin, 5000, ours), writeOffer(origin, 5000, ours, true)]
  t.regex(left, /^m=audio 5000 RTP\/AVP /m)
  t.is(demanded, left.replace('RTP/AVP', 'RTP/SAVP'))
})

test('RFC 4568 §6.1: keys with an identifier are taken; those of ours have none', (t) => {
  const read = readDescription(sdp('m=audio 4000 RTP/SAVP 0', `${crypto}|2^31|1:1`), new Secrecy('required'))
  t.true(read.ok)
  if (!read.ok) return
  t.deepEqual([...read.terms.srtp!.remoteMki], [1])
  t.regex(writeAnswer(read, origin, 5000), /a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:[^|\s]{40}\r\n/)
})

test('the answer takes the profile and the tag of the offer, with a key of its own', (t) => {
  const secrecy = new Secrecy('preferred')
  const read = readDescription(sdp('m=audio 4000 RTP/SAVP 0', 'a=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA', crypto), secrecy)
  t.true(read.ok)
  if (!read.ok) return
  const answer = writeAnswer(read, origin, 5000)
  t.regex(answer, /m=audio 5000 RTP\/SAVP 0\r\n/)
  const ours = /a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:(\S{40})\r\n/.exec(answer)?.[1]
  t.truthy(ours)
  t.not(ours, key)
  // a refresh keeps our key, another suite brings another
  const again = readDescription(sdp('m=audio 4000 RTP/SAVP 0', crypto), secrecy)
  t.true(again.ok && writeAnswer(again, origin, 5000).includes(String(ours)))
})

test('an offer of ours, answered: each side reads what the other sends', (t) => {
  for (const policy of ['required', 'preferred'] as const) {
    const [ours, theirs] = [new Secrecy(policy), new Secrecy(policy)]
    const read = readDescription(writeOffer(origin, 5000, ours), theirs)
    t.true(read.ok)
    if (!read.ok) continue
    const answer = readAnswer(writeAnswer(read, origin, 6000), ours)
    t.true(answer.ok)
    if (!answer.ok) continue
    t.is(answer.terms.srtp?.suite, 'AEAD_AES_256_GCM')
    t.deepEqual(Uint8Array.from(answer.terms.srtp!.remoteKey), Uint8Array.from(read.terms.srtp!.localKey))
    t.deepEqual(Uint8Array.from(answer.terms.srtp!.localKey), Uint8Array.from(read.terms.srtp!.remoteKey))
  }
  // a phone that knows nothing of it
  const ours = new Secrecy('preferred')
  writeOffer(origin, 5000, ours)
  t.like(readAnswer(sdp('m=audio 4000 RTP/AVP 0'), ours), { ok: true, terms: { srtp: null } })
  // a key for what was not offered
  t.like(readAnswer(sdp('m=audio 4000 RTP/AVP 0', crypto), ours), { ok: true, terms: { srtp: null } })
  t.is(
    (readAnswer(sdp('m=audio 4000 RTP/SAVP 0', crypto), new Secrecy('required')) as { code?: string }).code,
    'sdp.no-common-codec'
  )
})

let nextPort = 24_000 + (process.pid % 20) * 100

async function conference(t: ExecutionContext, more: Partial<MediaConfig> = {}) {
  const min = nextPort
  nextPort += 20
  const media = await createMediaPlane({ address: '127.0.0.1', portRange: [min, min + 19], log: silentLog, ...more })
  t.teardown(() => media.close())
  return async (participant: string, options: RtpPhoneOptions) => {
    const phone = await RtpPhone.open(options)
    t.teardown(() => phone.close())
    const joined = await media.join(context, { conference: 'council', participant, role: 'expert', offer: phone.sdp() })
    if (!joined.ok) throw new Error(`${joined.code}: ${joined.reason}`)
    phone.talkTo(joined.sdp)
    return { phone, leg: joined.leg }
  }
}

const tone = (frequency: number) => sine(8000, frequency, -12, 8000)
async function level(phone: RtpPhone, frequency: number): Promise<number> {
  phone.takeHeard()
  await sleep(500)
  return toneLevel(phone.takeHeard(), 8000, frequency)
}

test('encrypted and in clear, in one conference; the wire carries no sound', async (t) => {
  const join = await conference(t)
  const packets: Buffer[] = []
  const silence = Buffer.alloc(20, 0xff)
  const secret = await join('secret', { srtp: true, says: new Int16Array(8000), onPacket: (packet) => packets.push(packet) })
  const speaker = await join('speaker', { srtp: true, says: tone(500) })
  const plain = await join('plain', { says: tone(900) })
  await sleep(300)
  t.true((await level(plain.phone, 500)) > -16)
  t.true((await level(secret.phone, 500)) > -16)
  t.true((await level(speaker.phone, 900)) > -16)
  t.deepEqual(
    (await Promise.all([secret, speaker, plain].map(({ leg }) => leg.stats()))).map(({ encrypted }) => encrypted),
    [true, true, false]
  )
  t.true(packets.length > 20)
  t.false(packets.some((packet) => packet.includes(silence)))
})

test('forged, replayed and plain packets are heard by nobody', async (t) => {
  const join = await conference(t)
  const sent: Buffer[] = []
  const victim = await join('victim', { srtp: true, says: tone(500), onPacket: (packet) => sent.push(Buffer.from(packet)) })
  const listener = await join('listener', { srtp: true })
  await sleep(400)
  const before = await victim.leg.stats()
  const port = Number(/m=audio (\d+)/.exec(victim.leg.localSdp())![1])
  const attacker = createSocket('udp4')
  t.teardown(() => attacker.close())
  const send = (packet: Buffer) => new Promise((resolve) => attacker.send(packet, port, '127.0.0.1', resolve))
  const recorded = sent.slice(0, 10)
  for (let i = 0; i < 1000; i++) {
    const packet = Buffer.from(recorded[i % recorded.length]!)
    if (i % 3 === 1) packet[15]! ^= 1
    if (i % 3 === 2) packet.writeUInt16BE((packet.readUInt16BE(2) + 5000 + i) & 0xffff, 2)
    await send(i % 7 === 0 ? packet.subarray(0, 12 + (i % 40)) : packet)
  }
  t.true((await level(listener.phone, 500)) > -16)
  const after = await victim.leg.stats()
  t.is(after.lost, 0)
  t.is(after.received.errors - before.received.errors, 1000)
  t.true(after.received.packets - before.received.packets < 100)
})

test('a plane that requires encryption refuses plain audio', async (t) => {
  const join = await conference(t, { srtp: 'required' })
  await t.throwsAsync(join('plain', {}), { message: /sdp.unsupported-profile.*a=crypto/ })
  const first = await join('first', { srtp: true, says: tone(500) })
  const second = await join('second', { srtp: true })
  await sleep(300)
  t.true((await level(second.phone, 500)) > -16)
  t.true((await first.leg.leave()).encrypted)
})
