import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { openEncoder } from './encoder.ts'
import { videoCodecs } from './nal.ts'
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

const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0
const real = hasFfmpeg ? test : test.skip

for (const codec of videoCodecs) {
  real(`${codec}: an independent receiver decodes what goes out`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'rtp-out-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const free = createSocket('udp4')
    await new Promise<void>((resolve) => free.bind(0, '127.0.0.1', resolve))
    const destination = { address: '127.0.0.1', port: free.address().port }
    await new Promise<void>((resolve) => free.close(() => resolve()))
    writeFileSync(join(folder, 'stream.sdp'), describeRtpOut(codec, destination))
    const words =
      '-hide_banner -loglevel error -protocol_whitelist file,udp,rtp -i stream.sdp -vf scale=1:1 -pix_fmt gray -f rawvideo pipe:1'
    const receiver = spawn('ffmpeg', words.split(' '), { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
    t.teardown(() => receiver.kill('SIGKILL'))
    const lights: number[] = []
    const right = () => lights.filter((luma) => luma > 170 && luma < 215)
    receiver.stdout.on('data', (octets: Buffer) => {
      lights.push(...octets)
      // who listens from the middle on sees gray up to the next key picture
      if (right().length >= 3) receiver.kill('SIGKILL')
    })
    const out = openRtpOut(codec, destination)
    const encoder = openEncoder({
      codec,
      fourCC: 'UYVY',
      width: 320,
      height: 240,
      lineStride: 640,
      mostPerSecond: 30,
      encodedHeight: 480,
      onUnit: out.picture,
      onEnd: (error) => t.fail(error.message)
    })
    const light = new Uint8Array(640 * 240).map((_, at) => (at % 2 === 0 ? 128 : 180))
    const filming = setInterval(() => encoder.picture(light, performance.now(), () => undefined), 33)
    const late = setTimeout(() => receiver.kill('SIGKILL'), 20_000)
    await new Promise((resolve) => receiver.on('close', resolve))
    clearTimeout(late)
    clearInterval(filming)
    await encoder.close()
    out.close()
    t.true(right().length >= 3, `${lights}`)
    t.deepEqual(lights.slice(-right().length), right())
  })
}
