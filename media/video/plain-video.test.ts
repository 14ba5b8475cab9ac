import { createSocket, type Socket } from 'node:dgram'
import test, { type ExecutionContext } from 'ava'
import { type ConferenceLeg, InfraFabricError, manualClock } from '#kernel'
import { asksForPicture, encodePictureLoss } from '../rtp/rtcp-feedback.ts'
import { encodeRtp } from '../rtp/rtp.ts'
import { readDescription, writeAnswer } from '../sdp.ts'
import { PlainVideo } from './plain-video.ts'
import { readVideo } from './sdp-video.ts'
import { Stage } from './stage.ts'
import { VideoLeg } from './video-leg.ts'

const first = 22_000 + (process.pid % 100) * 20
const range = [first, first + 19] as const
const keyFrame = 0x67

async function socketOn(t: ExecutionContext): Promise<Socket> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  return socket
}

const offerOf = (port: number, direction = 'sendrecv', more = 'a=rtcp-mux') =>
  [
    'v=0',
    'o=room 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    'm=audio 4000 RTP/AVP 0',
    `m=video ${port} RTP/AVPF 97`,
    'a=rtpmap:97 H264/90000',
    'a=fmtp:97 packetization-mode=1;profile-level-id=42e01f',
    'a=rtcp-fb:97 nack pli',
    more,
    `a=${direction}`,
    ''
  ].join('\r\n')

function rtp(sequence: number, payloadType = 97, type = keyFrame): Buffer {
  const packet = Buffer.alloc(20)
  encodeRtp(packet, true, payloadType, sequence, sequence * 3000, 4711)
  packet[12] = type
  return packet
}

/** Packets on loopback are with their receiver when they are sent: all that is there is read, and so is what is sent because of it. */
async function arrived(): Promise<void> {
  for (let rounds = 0; rounds < 20; rounds++) await new Promise((resolve) => setImmediate(resolve))
}

/** A room system on a stage with one viewer. */
async function scene(t: ExecutionContext) {
  const stage = new Stage()
  const clock = manualClock()
  const video = await PlainVideo.open('127.0.0.1', range, 'room', () => true, stage, clock)
  t.teardown(() => video.close())
  const shown: Buffer[] = []
  const screen = {
    ssrc: 1,
    payloadType: 96,
    sequence: 0,
    timestamp: 0,
    send: (packet: Buffer) => shown.push(Buffer.from(packet))
  }
  stage.watch('viewer', screen, 0)
  const peer = await socketOn(t)
  const got: Buffer[] = []
  peer.on('message', (packet) => got.push(packet))
  video.agree(readVideo(offerOf(peer.address().port))!)
  const send = async (from: Socket, ...packets: Buffer[]) => {
    for (const packet of packets)
      await new Promise<void>((resolve) => from.send(packet, video.port, '127.0.0.1', () => resolve()))
    await arrived()
  }
  return { stage, clock, video, shown, peer, got, send }
}

test('a room system is seen, is asked for a key frame, and sees others; a stranger is not seen', async (t) => {
  const { stage, clock, shown, peer, got, send } = await scene(t)
  const stranger = await socketOn(t)
  await send(peer, rtp(1), rtp(2))
  t.is(shown.length, 2)
  t.true(got.some(asksForPicture))
  await send(stranger, rtp(3), rtp(4), rtp(5), rtp(6))
  t.is(shown.length, 2)

  const asked: string[] = []
  stage.film('browser', { askKeyFrame: () => asked.push('browser') }, 0)
  got.length = 0
  stage.packet('browser', rtp(900, 108), 0)
  await arrived()
  t.deepEqual(
    got.filter((packet) => packet.length === 20).map((packet) => packet[1]! & 0x7f),
    [97]
  )
  asked.length = 0
  clock.advance(1000)
  await send(stranger, encodePictureLoss(4711, 1))
  t.deepEqual(asked, ['browser'], 'RTCP is taken from the host of the stream')
})

test('what is no RTP, of another number, or cut off changes nothing', async (t) => {
  const { shown, peer, send } = await scene(t)
  const cut = encodePictureLoss(1, 2).subarray(0, 7)
  await send(peer, Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(1500, 0xff), rtp(1, 98), cut, Buffer.alloc(3000, 0x80))
  t.is(shown.length, 0)
  await send(peer, rtp(1))
  t.is(shown.length, 1)
})

test('reports go out every few seconds, and no timer and no port is left', async (t) => {
  const { clock, video, peer, got, send } = await scene(t)
  await send(peer, rtp(1))
  got.length = 0
  clock.advance(20_000)
  await arrived()
  t.true(got.filter((packet) => packet[1] === 201).length >= 2)
  video.close()
  video.close()
  t.is(clock.pending(), 0)
  const again = createSocket('udp4')
  await new Promise<void>((resolve) => again.bind(video.port, '127.0.0.1', resolve))
  again.close()
})

test('ports that are used up', async (t) => {
  const [stage, clock] = [new Stage(), manualClock()]
  const small = [first + 40, first + 41] as const
  const one = await PlainVideo.open('127.0.0.1', small, 'a', () => true, stage, clock)
  await t.throwsAsync(
    PlainVideo.open('127.0.0.1', small, 'b', () => true, stage, clock),
    { instanceOf: InfraFabricError, code: 'conference.no-ports' }
  )
  one.close()
})

test('a leg with a picture: answered, held, without ports, with encrypted sound', async (t) => {
  const [stage, clock] = [new Stage(), manualClock()]
  const sound = (offer: string) => {
    const read = readDescription(offer)
    if (!read.ok) throw new Error(read.reason)
    return writeAnswer(read, { sessionId: '1', version: 1, address: '127.0.0.1' }, 5000)
  }
  const inner = {
    offered: async (offer: string) => ({ ok: true, sdp: sound(offer), held: false }),
    onEvent: () => undefined,
    leave: async () => ({ codec: null })
  } as unknown as ConferenceLeg
  let ports = true
  const open = async () => (ports ? PlainVideo.open('127.0.0.1', range, 'room', () => true, stage, clock) : null)
  const leg = new VideoLeg(inner, open)
  const offer = offerOf(4002)
  const answer = await leg.answer(offer, sound(offer))
  t.regex(answer, /m=video [1-9]\d+ RTP\/AVPF 97\r\n/)
  t.is(await leg.answer(offer, sound(offer)), answer)
  const held = await leg.offered(offerOf(4002, 'inactive'))
  t.true(held.ok && /^o=- 1 2 /m.test(held.sdp) && held.sdp.includes('a=inactive'))
  const crypto = `${sound(offer)}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n`
  t.regex(await leg.answer(offer, crypto), /m=video 0 /)
  t.is(clock.pending(), 0, 'the ports are given back')
  const both = `${offerOf(4002)}${offerOf(4006).slice(offer.indexOf('m=video'))}a=content:slides\r\n`
  t.regex(await leg.answer(both, sound(both)), /(?:m=video [1-9]\d+ (?:.*\r\n)*){2}a=content:slides\r\n/)
  t.deepEqual(
    stage.screens().map(({ participant }) => participant),
    ['room']
  )
  t.regex(await leg.answer(offer, sound(offer)), /m=video [1-9]\d+ /)
  await leg.answer(offer, crypto)
  t.is(clock.pending(), 0, 'both are given back')
  ports = false
  t.regex(await leg.answer(offer, sound(offer)), /m=video 0 /)
  await leg.leave()
})
