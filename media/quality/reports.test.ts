/** Quality on the wire: a peer that asks for extended reports gets them, and its own are read. */
import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { type LegStats, newTraceId, silentLog } from '#kernel'
import { createMediaPlane } from '#media'
import { decodeRtcp, encodeReport, type RtcpPacket } from '../rtp/rtcp.ts'
import { encodeExtendedReport } from '../rtp/rtcp-xr.ts'
import { encodeRtp, rtpHeaderLength } from '../rtp/rtp.ts'

const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
const ssrc = 0xabcd

test('extended reports, both ways, over sockets; the end of the leg is told with its quality', async (t) => {
  const plane = await createMediaPlane({
    address: '127.0.0.1',
    portRange: [23_400, 23_419],
    reportIntervalMs: 150,
    srtp: 'off',
    log: silentLog
  })
  t.teardown(() => plane.close())
  const ended: LegStats[] = []
  plane.onLegEnd((stats) => ended.push(stats))
  const phone = createSocket('udp4')
  t.teardown(() => void phone.close())
  await new Promise<void>((resolve) => phone.bind(0, '127.0.0.1', resolve))
  const reports: RtcpPacket[] = []
  let theirs = -1
  phone.on('message', (packet) => {
    if (packet[1]! >= 192 && packet[1]! <= 223) reports.push(...decodeRtcp(packet))
    else theirs = packet.readUInt32BE(8)
  })
  const offer = [
    ...['v=0', 'o=a 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...[`m=audio ${phone.address().port} RTP/AVP 0`, 'a=rtcp-mux', 'a=rtcp-xr:voip-metrics stat-summary=loss,dup', '']
  ].join('\r\n')
  const joined = await plane.join(context, { conference: 'c', participant: 'p', role: 'expert', offer })
  if (!joined.ok) return t.fail(joined.reason)
  t.regex(joined.sdp, /^a=rtcp-xr:/m)
  const port = Number(/m=audio (\d+)/.exec(joined.sdp)![1])
  const send = (packet: Buffer) => phone.send(packet, port, '127.0.0.1')
  for (let n = 0; n < 60; n++) {
    const packet = Buffer.alloc(rtpHeaderLength + 160, 0x55)
    encodeRtp(packet, n === 0, 0, n, 160 * n, ssrc)
    if (n % 10 !== 5) send(packet)
    await sleep(10)
  }
  const extended = () => reports.flatMap((packet) => (packet.type === 'extendedReport' ? [packet.report] : []))
  for (let tries = 0; tries < 100 && (extended().at(-1)?.voip[0]?.lossRate ?? 0) < 0.05; tries++) await sleep(20)
  const { voip, summaries } = extended().at(-1)!
  t.is(voip[0]!.ssrc, ssrc)
  t.true(voip[0]!.lossRate > 0.05 && voip[0]!.lossRate < 0.15, String(voip[0]!.lossRate))
  t.true(voip[0]!.mosListening! < 4.2 && voip[0]!.rFactor! < 85)
  t.true(summaries[0]!.lost !== null && summaries[0]!.duplicates === 0 && summaries[0]!.jitter === null)

  t.true(theirs >= 0, 'the plane sends')
  const theirView = { ...voip[0]!, ssrc: theirs, rFactor: 77, mosListening: 3.9, mosConversational: 3.8 }
  send(
    encodeReport({
      ssrc,
      cname: 'p',
      sender: null,
      block: null,
      extended: encodeExtendedReport({ ssrc, summaries: [], voip: [theirView] }, 16),
      goodbye: false
    })
  )
  for (let tries = 0; tries < 100 && (await joined.leg.stats()).quality?.peer == null; tries++) await sleep(20)
  const { quality } = await joined.leg.leave()
  t.like(quality, { lost: 6, peer: { rFactor: 77, mosListening: 3.9, mosConversational: 3.8 } })
  t.deepEqual(
    ended.map((stats) => stats.quality),
    [quality]
  )
})

test('limits of one conference do not hold for others', async (t) => {
  const plane = await createMediaPlane({
    address: '127.0.0.1',
    portRange: [23_420, 23_439],
    maxParticipants: 2,
    limits: { small: { maxParticipants: 1 }, large: { maxParticipants: 3, voices: 1 } },
    log: silentLog
  })
  t.teardown(() => plane.close())
  const join = async (conference: string, participant: string) => {
    const joined = await plane.join(context, { conference, participant, role: 'expert', offer: null })
    return joined.ok ? 'in' : joined.code
  }
  for (const [conference, most] of [
    ['small', 1],
    ['usual', 2],
    ['large', 3],
    ['constructor', 2]
  ] as const) {
    for (let n = 0; n < most; n++) t.is(await join(conference, `p${n}`), 'in')
    t.is(await join(conference, 'more'), 'conference.full', conference)
  }
  const error = await t.throwsAsync(
    createMediaPlane({ address: '127.0.0.1', portRange: [23_440, 23_459], limits: { bad: { voices: 0 } }, log: silentLog })
  )
  t.regex(error.message, /limits/)
})
