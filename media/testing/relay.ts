/**
 * A relay made of the plane's parts, as a process of its own: sockets, RTP header, latch and statistics of the source, and the packet goes on as it is. What
 * rtpengine does in user space, to be measured beside it.
 *
 * Told by the parent: {@link RelayOrder}; tells: {@link RelayReport}. Ends with the parent.
 */
import { getPriority, setPriority } from 'node:os'
import { DecodeError } from '#kernel'
import { Latch } from '../latch.ts'
import { PortPool, sharePorts } from '../ports.ts'
import { decodeRtp, emptyRtpHeader } from '../rtp/rtp.ts'
import { RtpSource } from '../rtp/source.ts'
import { libc } from '../udp/libc.ts'
import { nativeUdp } from '../udp/native.ts'
import { nodeUdp } from '../udp/node.ts'
import type { Receive, UdpSocket } from '../udp/udp.ts'

/** Opens a port for each phone; two phones in a row are a call. */
export type RelayOrder = { readonly phones: readonly number[]; readonly portRange: readonly [number, number] } | 'cpu'
export type RelayReport = { readonly ports: readonly number[] } | { readonly cpuMs: number }

const address = '127.0.0.1'
const readEveryMs = 5
const library = libc()
const udp = library === null ? nodeUdp() : nativeUdp(library)
const header = emptyRtpHeader()

class Side {
  readonly latch: Latch
  socket: UdpSocket | null = null
  peer: Side | null = null
  #source: RtpSource | null = null

  constructor(phone: number) {
    this.latch = new Latch({ address, port: phone }, 5000, performance.now())
  }

  readonly receive: Receive = (packet, source, arrivedMs) => {
    try {
      decodeRtp(packet, header)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return
    }
    if (!this.latch.accept(source, header.ssrc, header.sequenceNumber, arrivedMs)) return
    if (this.#source?.ssrc !== header.ssrc) this.#source = new RtpSource(header.ssrc, 8000)
    if (!this.#source.receive(header.sequenceNumber, header.timestamp, arrivedMs)) return
    this.peer?.socket?.send(packet, packet.length, this.peer.latch.destination)
  }
}

async function open(phones: readonly number[], portRange: readonly [number, number]): Promise<readonly number[]> {
  const pool = new PortPool(udp, sharePorts(portRange), 1)
  const sides: Side[] = []
  const ports: number[] = []
  for (const [n, phone] of phones.entries()) {
    const side = new Side(phone)
    const pair = await pool.take(address, side.receive, () => undefined)
    side.socket = pair.rtp
    sides.push(side)
    ports.push(pair.port)
    if (n % 2 === 0) continue
    side.peer = sides[n - 1]!
    sides[n - 1]!.peer = side
  }
  return ports
}

try {
  if (process.platform === 'linux' && getPriority() > -10) setPriority(-10)
} catch {
  // As a media thread: without the right to it takes its turn like any other.
}
const tell = (report: RelayReport) => process.send!(report)
process.on('message', (order: RelayOrder) => {
  if (order === 'cpu') {
    const { user, system } = process.cpuUsage()
    tell({ cpuMs: (user + system) / 1000 })
  } else void open(order.phones, order.portRange).then((ports) => tell({ ports }))
})
process.on('disconnect', () => process.exit())
setInterval(() => udp.poll(readEveryMs), readEveryMs)
