/**
 * The picture of a telephone or room system: RTP and RTCP on sockets of its own, to the switch and from it.
 *
 * @see RFC 6184, RFC 4585 (PLI), RFC 5104 (FIR), RFC 4961 (symmetric RTP)
 */
import { randomBytes, randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { type Clock, DecodeError, InfraFabricError } from '#kernel'
import { Latch } from '../latch.ts'
import { decodeRtcp, encodeReport, ntpTime } from '../rtp/rtcp.ts'
import { asksForPicture, encodeFullIntra, encodePictureLoss } from '../rtp/rtcp-feedback.ts'
import { decodeRtp, emptyRtpHeader, rtpHeaderLength } from '../rtp/rtp.ts'
import { RtpSource } from '../rtp/source.ts'
import type { StreamSource } from '../sdp.ts'
import type { VideoTerms } from './sdp-video.ts'
import type { Stage } from './stage.ts'
import { videoClockHz } from './switch.ts'

const reportIntervalMs = 5000
const latchWindowMs = 5000
/** Longest packet that is read. */
const largestPacket = 2048
/** Pairs of ports that are tried. */
const tries = 50

async function bind(address: string, port: number): Promise<Socket | null> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close()
      resolve(null)
    })
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}

export class PlainVideo {
  readonly port: number
  readonly source: StreamSource
  /** Told when a whole picture is wanted, beside RTCP. */
  keyFrameWanted: () => void = () => undefined
  readonly #rtp: Socket
  readonly #rtcp: Socket
  readonly #participant: string
  readonly #seen: () => boolean
  readonly #stage: Stage
  readonly #clock: Clock
  readonly #header = emptyRtpHeader()
  #terms: VideoTerms | null = null
  #latch: Latch | null = null
  #received: RtpSource | null = null
  readonly #sent = { packets: 0, octets: 0, timestamp: 0, atMs: 0 }
  #watching = false
  #command = 0
  #stopReports: () => void
  #closed = false

  private constructor(
    port: number,
    rtp: Socket,
    rtcp: Socket,
    participant: string,
    seen: () => boolean,
    stage: Stage,
    clock: Clock
  ) {
    this.port = port
    this.source = { ssrc: randomInt(1, 2 ** 32), cname: `${randomBytes(8).toString('hex')}@conference` }
    this.#rtp = rtp
    this.#rtcp = rtcp
    this.#participant = participant
    this.#seen = seen
    this.#stage = stage
    this.#clock = clock
    rtp.on('message', (packet, { address, port: from }) => {
      const control = packet.length > 1 && packet[1]! >= 192 && packet[1]! <= 223
      if (control) this.#control(packet, address)
      else this.#packet(packet, { address, port: from })
    })
    rtcp.on('message', (packet, { address }) => this.#control(packet, address))
    const report = () => {
      this.#report(Buffer.alloc(0))
      this.#stopReports = clock.after(reportIntervalMs * (0.5 + Math.random()), report)
    }
    this.#stopReports = clock.after(reportIntervalMs, report)
  }

  /**
   * Opens a pair of ports, the even one for RTP.
   *
   * @param seen whether others may see the participant now
   * @throws {InfraFabricError} `conference.no-ports`
   */
  static async open(
    address: string,
    [min, max]: readonly [number, number],
    participant: string,
    seen: () => boolean,
    stage: Stage,
    clock: Clock
  ): Promise<PlainVideo> {
    const first = min + (min % 2)
    const pairs = Math.max(1, Math.floor((max - first + 1) / 2))
    const begin = randomInt(pairs)
    for (let n = 0; n < Math.min(pairs, tries); n++) {
      const port = first + 2 * ((begin + n) % pairs)
      const rtp = await bind(address, port)
      const rtcp = rtp === null ? null : await bind(address, port + 1)
      if (rtp !== null && rtcp !== null) return new PlainVideo(port, rtp, rtcp, participant, seen, stage, clock)
      rtp?.close()
    }
    throw new InfraFabricError('conference.no-ports', `no pair of ports for video is free from ${min} to ${max}`)
  }

  /** Takes the terms of an offer, the first or new ones. */
  agree(terms: VideoTerms): void {
    const nowMs = this.#clock.monotonicMs()
    const before = this.#terms
    this.#terms = terms
    if (this.#latch === null) this.#latch = new Latch(terms.remote, latchWindowMs, nowMs)
    else this.#latch.signal(terms.remote, nowMs)
    const watches = terms.direction === 'sendrecv' || terms.direction === 'sendonly'
    if (watches !== this.#watching || before?.payloadType !== terms.payloadType) {
      this.#watching = watches
      const { ssrc } = this.source
      const begin = { ssrc, payloadType: terms.payloadType, sequence: randomInt(2 ** 16), timestamp: randomInt(2 ** 32) }
      this.#stage.watch(this.#participant, watches ? { ...begin, send: (packet) => this.#send(packet) } : null, nowMs)
    }
    this.#stage.limit(this.#participant, terms.takes, nowMs)
    this.show()
  }

  /** Shows the picture to others, or no longer, as the terms and the participant's role are. */
  show(): void {
    const direction = this.#terms?.direction
    const films = (direction === 'sendrecv' || direction === 'recvonly') && this.#seen()
    const camera = films ? { askKeyFrame: () => this.#askKeyFrame() } : null
    this.#stage.film(this.#participant, camera, this.#clock.monotonicMs())
  }

  #packet(packet: Buffer, from: { readonly address: string; readonly port: number }): void {
    const terms = this.#terms
    if (terms === null || packet.length > largestPacket) return
    try {
      decodeRtp(packet, this.#header)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return
    }
    const { payloadType, ssrc, sequenceNumber, timestamp } = this.#header
    const nowMs = this.#clock.monotonicMs()
    if (
      payloadType !== (terms.receivedPayloadType ?? terms.payloadType) ||
      !this.#latch!.accept(from, ssrc, sequenceNumber, nowMs)
    )
      return
    if (this.#received?.ssrc !== ssrc) {
      const begins = this.#received === null
      this.#received = new RtpSource(ssrc, videoClockHz)
      // now it is known whom to ask
      if (begins) this.#askKeyFrame()
    }
    if (this.#received.receive(sequenceNumber, timestamp, nowMs)) this.#stage.packet(this.#participant, packet, nowMs)
  }

  #control(packet: Buffer, from: string): void {
    if (this.#latch === null || packet.length > largestPacket || from !== this.#latch.destination.address) return
    if (asksForPicture(packet)) this.refresh()
    this.#reported(packet)
  }

  /** What has come of the stream that goes out. What cannot be read says nothing. */
  #reported(packet: Buffer): void {
    let packets: ReturnType<typeof decodeRtcp>
    try {
      packets = decodeRtcp(packet, true)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      return
    }
    for (const report of packets) {
      if (report.type !== 'receiverReport' && report.type !== 'senderReport') continue
      for (const { ssrc, extendedHighest } of report.blocks)
        if (ssrc === this.source.ssrc) this.#stage.reported(this.#participant, extendedHighest)
    }
  }

  #send(packet: Buffer): void {
    const { address, port } = this.#latch!.destination
    this.#sent.packets++
    this.#sent.octets += packet.length - rtpHeaderLength
    this.#sent.timestamp = packet.readUInt32BE(4)
    this.#sent.atMs = this.#clock.monotonicMs()
    this.#rtp.send(Buffer.from(packet), port, address, () => undefined)
  }

  #askKeyFrame(): void {
    this.keyFrameWanted()
    const received = this.#received
    if (received === null) return
    const { ssrc } = this.source
    this.#command = (this.#command + 1) & 0xff
    const asking = this.#terms!.pictureLoss
      ? encodePictureLoss(ssrc, received.ssrc)
      : encodeFullIntra(ssrc, received.ssrc, this.#command)
    this.#report(asking)
  }

  /** Sends a report, and `more` behind it. */
  #report(more: Buffer): void {
    const terms = this.#terms
    if (terms === null || this.#closed) return
    const received = this.#received
    const { packets, octets, atMs } = this.#sent
    const sinceMs = this.#clock.monotonicMs() - atMs
    const timestamp = (this.#sent.timestamp + Math.round((sinceMs * videoClockHz) / 1000)) >>> 0
    const report = encodeReport({
      ...this.source,
      sender: packets === 0 ? null : { ...ntpTime(this.#clock.now()), timestamp, packets, octets },
      block:
        received === null
          ? null
          : {
              ssrc: received.ssrc,
              fractionLost: received.takeFractionLost(),
              cumulativeLost: received.cumulativeLost,
              extendedHighest: received.extendedHighest,
              jitter: received.jitter,
              lastSenderReport: 0,
              delaySinceLast: 0
            },
      goodbye: false
    })
    const destination = this.#latch!.destination
    const moved = destination.port !== terms.remote.port || destination.address !== terms.remote.address
    const to = terms.controlMuxed ? destination : moved ? { ...destination, port: destination.port + 1 } : terms.remoteControl
    if (to.port > 65_535) return
    const socket = terms.controlMuxed ? this.#rtp : this.#rtcp
    socket.send(Buffer.concat([report, more]), to.port, to.address, () => undefined)
  }

  /** The participant has lost its picture. */
  refresh(): void {
    this.#stage.refresh(this.#participant, this.#clock.monotonicMs())
  }

  /** Leaves the stage and gives the ports back. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopReports()
    this.#stage.leave(this.#participant, this.#clock.monotonicMs())
    this.#rtp.close()
    this.#rtcp.close()
  }
}
