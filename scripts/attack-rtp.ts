/**
 * `npm run attack:rtp`: a conference of two, and strangers who send into the port of one of them what looks like his sound: right payload type; his own SSRC
 * with the numbers and times that are next, the SSRC of the conference, and others. None of it may be heard, and nobody but the two may be sent anything.
 *
 * Exit codes: 0 nothing got through, 1 something did, 2 wrong arguments.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { newTraceId, silentLog } from '#kernel'
import { createMediaPlane, RtpPhone, sine, toneLevel } from '#media'

export interface AttackFigures {
  readonly sent: number
  /** Packets that strangers were sent. */
  readonly redirected: number
  /** Packets of strangers that the plane threw away, as it counts. */
  readonly rejected: number
  /** What the other participant heard while it lasted, dB below full scale: the voice, and what the strangers sent. */
  readonly voiceDb: number
  readonly injectedDb: number
}

const strangers = 16
const [voiceHz, otherHz, injectedHz] = [440, 1000, 2000]
const rateHz = 8000
/** Sent before others get a turn. */
const burst = 32

/** What the victim sent last. */
interface Sent {
  ssrc: number
  sequence: number
  timestamp: number
}

/** PCMU packets of a tone as a stranger would make them up, or, who listens in, as the next ones of a stream. */
function forged(ssrc: number, sent: Sent | null): (n: number) => Buffer {
  const payload = Buffer.alloc(160)
  // μ-law of a loud 2 kHz square wave: four samples a period
  for (let n = 0; n < payload.length; n++) payload[n] = n % 4 < 2 ? 0x90 : 0x10
  const packet = Buffer.concat([Buffer.from([0x80, 0]), Buffer.alloc(10), payload])
  return (n) => {
    const ahead = 1 + (n % burst)
    packet.writeUInt16BE((sent === null ? n : sent.sequence + ahead) & 0xffff, 2)
    packet.writeUInt32BE((sent === null ? n * 160 : sent.timestamp + 160 * ahead) >>> 0, 4)
    packet.writeUInt32BE((sent === null ? ssrc : sent.ssrc) >>> 0, 8)
    return packet
  }
}

/** @param packets sent by all strangers together, in turn from sixteen addresses: every third as the victim, every third as the conference */
export async function attackRtp(
  packets: number,
  portRange: readonly [number, number] = [31_000, 31_099]
): Promise<AttackFigures> {
  const plane = await createMediaPlane({ address: '127.0.0.1', portRange: [...portRange], log: silentLog })
  const context = { traceId: newTraceId(), log: silentLog, signal: new AbortController().signal, now: Date.now }
  const last: Sent = { ssrc: 0, sequence: 0, timestamp: 0 }
  const tone = (hz: number) => sine(rateHz, hz, -12, 16_000)
  const onPacket = (packet: Buffer) => {
    last.ssrc = packet.readUInt32BE(8)
    last.sequence = packet.readUInt16BE(2)
    last.timestamp = packet.readUInt32BE(4)
  }
  const victim = await RtpPhone.open({ says: tone(voiceHz), onPacket })
  const other = await RtpPhone.open({ says: tone(otherHz) })
  const sockets = Array.from({ length: strangers }, (_, n) => createSocket('udp4').bind(0, `127.0.0.${2 + n}`))
  let redirected = 0
  let rejected = 0
  try {
    await Promise.all(sockets.map((socket) => once(socket, 'listening')))
    for (const socket of sockets) socket.on('message', () => redirected++)
    const join = async (phone: RtpPhone, participant: string) => {
      const joined = await plane.join(context, { conference: 'council', participant, role: 'expert', offer: phone.sdp() })
      if (!joined.ok) throw new Error(joined.reason)
      joined.leg.onEvent((event) => {
        if (event.type === 'strangerRejected') rejected += event.packets
      })
      phone.talkTo(joined.sdp)
      const [port, ssrc] = [/^m=audio (\d+)/m, /^a=ssrc:(\d+)/m].map((line) => Number(line.exec(joined.sdp)![1]))
      return { leg: joined.leg, port: port!, ssrc: ssrc! }
    }
    const joined = await join(victim, 'victim')
    const listener = await join(other, 'listener')
    await sleep(600)
    const next = (n: number) =>
      n % 3 === 0 ? forged(0, last) : n % 3 === 1 ? forged(joined.ssrc, null) : forged(n * 0x0101_0101, null)
    const senders = sockets.map((socket, n) => ({ socket, next: next(n) }))
    other.takeHeard()
    for (let sent = 0; sent < packets; sent++) {
      const { socket, next } = senders[sent % strangers]!
      socket.send(next(sent), joined.port, '127.0.0.1')
      if (sent % burst === burst - 1) await turn()
    }
    await sleep(600)
    const heard = other.takeHeard().subarray(-2 * 4000)
    await joined.leg.leave()
    await listener.leg.leave()
    return {
      sent: packets,
      redirected,
      rejected,
      voiceDb: toneLevel(heard, rateHz, voiceHz),
      injectedDb: toneLevel(heard, rateHz, injectedHz)
    }
  } finally {
    victim.close()
    other.close()
    for (const socket of sockets) socket.close()
    await plane.close()
  }
}

/** Nothing heard, nothing sent, and the voice still there. */
export const isUnharmed = ({ redirected, voiceDb, injectedDb }: AttackFigures): boolean =>
  redirected === 0 && voiceDb > -20 && injectedDb < -50

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { packets: { type: 'string', default: '1000000' }, json: { type: 'boolean' } } })
  const packets = Number(values.packets)
  if (!Number.isInteger(packets) || packets < 1 || packets > 100_000_000) {
    process.stderr.write('--packets: expected a whole number from 1 to 100,000,000\n')
    return 2
  }
  const figures = await attackRtp(packets)
  console.log(
    values.json
      ? JSON.stringify(figures)
      : `${figures.sent} packets of strangers: ${figures.rejected} counted as theirs, ${figures.redirected} sent to them; ` +
          `heard: the voice ${figures.voiceDb.toFixed(1)} dB, theirs ${figures.injectedDb.toFixed(1)} dB`
  )
  return isUnharmed(figures) ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
