/**
 * The calling side of the benchmark, a process of its own: phones that send prepared packets on time and look at what comes back.
 *
 * Told by the parent process: {@link LoadOrder}; tells: {@link LoadReport}. Ends by itself when the parent does, or after the time it was given.
 */
import { getPriority, setPriority } from 'node:os'
import { rtpHeaderLength } from '../rtp/rtp.ts'
import { type Libc, libc } from '../udp/libc.ts'
import { nativeUdp } from '../udp/native.ts'
import { nodeUdp } from '../udp/node.ts'
import type { UdpSocket } from '../udp/udp.ts'

export type LoadOrder =
  | {
      readonly type: 'open'
      readonly phones: number
      readonly firstPort: number
      /** Every so many phones one listens; the others only talk, and what is sent to them is dropped by the kernel. */
      readonly listenEvery: number
    }
  | {
      readonly type: 'talk'
      /** Where each phone sends, in the order of the phones. */
      readonly ports: readonly number[]
      readonly payloadType: number
      /** Payloads in base64, said over and over, each phone beginning elsewhere. */
      readonly payloads: readonly string[]
      /** RTP clock units of a frame. */
      readonly frameClock: number
      readonly warmUpMs: number
      readonly seconds: number
    }

export type LoadReport =
  | { readonly type: 'opened'; readonly ports: readonly number[] }
  | { readonly type: 'warm' }
  | ({ readonly type: 'done' } & LoadFigures)

export interface LoadFigures {
  readonly sent: number
  /** Phones that listened: what follows is of them. */
  readonly listeners: number
  readonly received: number
  /** Frames between the first and the last that were not received. */
  readonly missing: number
  /** Packets that came more than one frame after their time. */
  readonly late: number
  /** Rounds of sending that began more than 10 ms late: the load itself was held up. */
  readonly heldUp: number
  readonly cpuMs: number
}

const familyInet = 2
const datagramNonBlocking = 2 | 0x800 | 0x80000
const solSocket = 1
const soReceiveBuffer = 8
const messageDontWait = 0x40

const frameMs = 20
/** Rounds in a frame: phones are spread over it. */
const rounds = 20

/** What a phone sends with. */
type Mouth = Pick<UdpSocket, 'port' | 'send' | 'close'>

interface Phone {
  readonly socket: Mouth
  readonly packet: Buffer
  sequence: number
  timestamp: number
  at: number
  to: { readonly address: string; readonly port: number }
  lastTimestamp: number
  /** When the first packet that counts came, or should have come; NaN before it. */
  firstMs: number
  /** Frames since then. */
  frames: number
}

const library = libc()
const udp = library === null ? nodeUdp() : nativeUdp(library)
const phones: Phone[] = []
let listeners = 0
let counting = false
/** RTP clock units of a frame; 0 before there is something to count. */
let frameClock = 0
let received = 0
let missing = 0
let late = 0

/** Sender and receiver reports and what follows them. @see RFC 5761 §4 */
const isReport = (packet: Buffer) => packet[1]! >= 192 && packet[1]! <= 223

function hear(phone: Phone, packet: Buffer, arrivedMs: number): void {
  if (packet.length < rtpHeaderLength || isReport(packet) || frameClock === 0) return
  const timestamp = packet.readUInt32BE(4)
  if (!counting || Number.isNaN(phone.firstMs)) {
    phone.lastTimestamp = timestamp
    phone.frames = 0
    phone.firstMs = counting ? arrivedMs : Number.NaN
    if (counting) received++
    return
  }
  received++
  // By RTP timestamp, not by number: the time of frames that the plane has left out counts too.
  const ahead = ((timestamp - phone.lastTimestamp) | 0) / frameClock
  phone.lastTimestamp = timestamp
  phone.frames += ahead
  if (ahead > 1) missing += ahead - 1
  const lateMs = arrivedMs - phone.firstMs - phone.frames * frameMs
  if (lateMs > frameMs) late++
  // The first packet may itself have been late: the earliest seen is the measure.
  else if (lateMs < 0) phone.firstMs += lateMs
}

/** A socket that is never read and has room for next to nothing; its destination is written once. @returns null when the port is not to be had */
function openMute(native: Libc, port: number): Mouth | null {
  const descriptor = native.socket(familyInet, datagramNonBlocking, 0)
  const name = new Uint8Array(16)
  const write = (to: number) => name.set([familyInet, 0, to >> 8, to & 0xff, 127, 0, 0, 1])
  write(port)
  native.setsockopt(descriptor, solSocket, soReceiveBuffer, Int32Array.of(0), 4)
  if (descriptor < 0 || native.bind(descriptor, name, name.length) !== 0) {
    if (descriptor >= 0) native.close(descriptor)
    return null
  }
  let sendsTo = -1
  let packetAt = 0
  const nameAt = native.address(name)
  return {
    port,
    send: (packet, length, to) => {
      if (to.port !== sendsTo) {
        sendsTo = to.port
        write(sendsTo)
        packetAt = native.address(packet)
      }
      return native.sendto(descriptor, packetAt, length, messageDontWait, nameAt, name.length) === length
    },
    close: () => void native.close(descriptor)
  }
}

async function open({ phones: count, firstPort, listenEvery }: Extract<LoadOrder, { type: 'open' }>): Promise<void> {
  for (let port = firstPort; phones.length < count; port++) {
    if (port > 65_535) throw new RangeError('ports of this machine do not suffice')
    let phone: Phone | null = null
    const listens = library === null || phones.length % listenEvery === 0
    const socket = listens
      ? await udp.open('127.0.0.1', port, (packet, _source, arrivedMs) => {
          if (phone !== null) hear(phone, packet, arrivedMs)
        })
      : openMute(library, port)
    if (socket === null) continue
    if (listens) listeners++
    const to = { address: '127.0.0.1', port: 0 }
    phone = {
      socket,
      packet: Buffer.alloc(2048),
      sequence: 0,
      timestamp: 0,
      at: 0,
      to,
      lastTimestamp: 0,
      firstMs: Number.NaN,
      frames: 0
    }
    phones.push(phone)
  }
  tell({ type: 'opened', ports: phones.map(({ socket }) => socket.port) })
}

const tell = (report: LoadReport) => process.send!(report)

function talk(order: Extract<LoadOrder, { type: 'talk' }>): void {
  frameClock = order.frameClock
  const payloads = order.payloads.map((payload) => Buffer.from(payload, 'base64'))
  for (const [n, phone] of phones.entries()) {
    phone.to = { address: '127.0.0.1', port: order.ports[n]! }
    phone.packet[0] = 0x80
    phone.packet[1] = order.payloadType
    phone.packet.writeUInt32BE(n + 1, 8)
    phone.at = (n * 37) % payloads.length
  }
  const begunMs = performance.now()
  const countFromMs = begunMs + order.warmUpMs
  const countToMs = countFromMs + order.seconds * 1000
  let before = process.cpuUsage()
  let sent = 0
  let heldUp = 0
  let round = 0
  const step = () => {
    const now = performance.now()
    udp.poll(20)
    if (!counting && now >= countFromMs && now < countToMs) {
      counting = true
      before = process.cpuUsage()
      tell({ type: 'warm' })
    }
    for (; begunMs + (round * frameMs) / rounds <= now; round++) {
      if (counting && now - begunMs - (round * frameMs) / rounds > 10) heldUp++
      for (let n = round % rounds; n < phones.length; n += rounds) {
        const phone = phones[n]!
        const payload = payloads[phone.at]!
        phone.at = (phone.at + 1) % payloads.length
        phone.packet.writeUInt16BE(phone.sequence, 2)
        phone.packet.writeUInt32BE(phone.timestamp, 4)
        payload.copy(phone.packet, rtpHeaderLength)
        phone.socket.send(phone.packet, rtpHeaderLength + payload.length, phone.to)
        phone.sequence = (phone.sequence + 1) & 0xffff
        phone.timestamp = (phone.timestamp + order.frameClock) >>> 0
        if (counting) sent++
      }
    }
    if (now >= countToMs) {
      counting = false
      const { user, system } = process.cpuUsage(before)
      tell({ type: 'done', sent, listeners, received, missing, late, heldUp, cpuMs: (user + system) / 1000 })
      for (const { socket } of phones) socket.close()
      udp.close()
      process.disconnect()
      return
    }
    setTimeout(step, Math.max(0, Math.floor(begunMs + (round * frameMs) / rounds - performance.now())))
  }
  step()
}

try {
  // Like the media threads: what holds the load up must not look like a fault of the plane.
  if (getPriority() > -10) setPriority(-10)
} catch {
  // Without the right to, the figure `heldUp` tells.
}
process.on('message', (order: LoadOrder) => {
  if (order.type === 'open') void open(order)
  else talk(order)
})
process.on('disconnect', () => process.exit())
