import { createSocket } from 'node:dgram'
import test from 'ava'
import { describeRtpOut, openRtpOut } from './rtp-out.ts'

test('H.265 goes to an address in fragments, one timestamp a picture, and nothing after the end', async (t) => {
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const seen: Buffer[] = []
  const came = Promise.withResolvers<void>()
  socket.on('message', (packet) => {
    seen.push(packet)
    if (seen.length === 4) came.resolve()
  })
  const out = openRtpOut('h265', { address: '127.0.0.1', port: socket.address().port })
  out.picture([Buffer.from([33 << 1, 1, 7]), Buffer.concat([Buffer.from([19 << 1, 1]), Buffer.alloc(1500, 5)])], 1000)
  out.picture([Buffer.from([1 << 1, 1, 9])], 1040)
  await came.promise
  t.deepEqual(
    seen.map((packet) => [(packet[12]! >> 1) & 0x3f, packet[1]!]),
    [
      [33, 96],
      [49, 96],
      [49, 96 | 0x80],
      [1, 96 | 0x80]
    ]
  )
  const times = seen.map((packet) => packet.readUInt32BE(4))
  t.deepEqual(
    times.map((time) => time - times[0]!),
    [0, 0, 0, 3600]
  )
  out.close()
  out.close()
  out.picture([Buffer.from([2, 1, 1])], 1080)
})

test('what whoever listens is told', (t) => {
  const sdp = describeRtpOut('h265', { address: '127.0.0.1', port: 5004 })
  t.true(sdp.includes('m=video 5004 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n'))
  t.true(describeRtpOut('h264', { address: '127.0.0.1', port: 5004 }).includes('a=fmtp:96 packetization-mode=1\r\n'))
})
