/** What somebody sees who is no participant: the pictures of a conference, decoded. */
import { randomInt } from 'node:crypto'
import type { InfraFabricError } from '#kernel'
import { decodeRtp, emptyRtpHeader, sequenceDistance } from '../rtp/rtp.ts'
import { type Ffmpeg, startFfmpeg } from './ffmpeg.ts'
import { byteStreamOf } from './nal.ts'
import type { Stages } from './stages.ts'

export interface PictureViewConfig {
  readonly conference: string
  /** Under which the stage knows the viewer: no participant's. */
  readonly name: string
  /** Of the pictures that come out, pixels, both even: what comes in is fitted in. */
  readonly width: number
  readonly height: number
  /** UYVY, two octets a pixel, lines without gaps. Valid during the call. */
  readonly onPicture: (data: Buffer) => void
  /** Told once, when there will be no more pictures: as `startFfmpeg` says. */
  readonly onEnd: (error: InfraFabricError) => void
}

export interface PictureView {
  /** Whose picture is seen; null for nobody's. */
  readonly shown: () => string | null
  /** Idempotent. */
  readonly close: () => Promise<void>
}

const payloadType = 96
/** Octets that wait for the decoder before a picture is left out. */
const mostWaiting = 4 << 20

/** Cuts a stream of octets into pieces of one size. */
export function createCutter(size: number, onPiece: (piece: Buffer) => void): (octets: Buffer) => void {
  const piece = Buffer.alloc(size)
  let filled = 0
  return (octets) => {
    for (let at = 0; at < octets.length; ) {
      const taken = octets.copy(piece, filled, at)
      filled += taken
      at += taken
      if (filled < size) continue
      filled = 0
      onPiece(piece)
    }
  }
}

/** Begins to watch. Pictures of all sizes come out in one; they are decoded anew after losses from a key frame on. */
export function openPictureView(stages: Stages, config: PictureViewConfig): PictureView {
  const { conference, name, width, height } = config
  const { clock } = stages
  const { stage, release } = stages.hold(conference, 'people')
  const header = emptyRtpHeader()
  let last: number | null = null
  let waiting = 0
  let isClosed = false

  const cut = createCutter(width * height * 2, config.onPicture)
  const fit = `scale=${width}:${height}:force_original_aspect_ratio=decrease:flags=fast_bilinear,pad=${width}:${height}:-1:-1`
  const ffmpeg: Ffmpeg = startFfmpeg(
    [
      ...['-flags', 'low_delay', '-threads', '1', '-probesize', '4096', '-analyzeduration', '0', '-f', 'h264', '-i', 'pipe:0'],
      ...['-an', '-fps_mode', 'passthrough', '-vf', fit, '-pix_fmt', 'uyvy422', '-flush_packets', '1', '-f', 'rawvideo', 'pipe:1']
    ],
    cut,
    (error) => {
      if (!isClosed) config.onEnd(error)
    }
  )
  stage.watch(
    name,
    {
      ssrc: randomInt(1, 2 ** 32),
      payloadType,
      sequence: randomInt(2 ** 16),
      timestamp: randomInt(2 ** 32),
      send: (packet) => {
        decodeRtp(packet, header)
        const { sequenceNumber, payloadStart, payloadEnd } = header
        const step = last === null ? 1 : sequenceDistance(sequenceNumber, last)
        if (step <= 0) return
        last = sequenceNumber
        if (step > 1 || waiting > mostWaiting) stage.refresh(name, clock.monotonicMs())
        const octets = byteStreamOf(packet.subarray(payloadStart, payloadEnd))
        if (octets === null || waiting > mostWaiting) return
        // the packet is written again at once
        const kept = Buffer.from(octets)
        waiting += kept.length
        ffmpeg.write(kept, () => {
          waiting -= kept.length
        })
      }
    },
    clock.monotonicMs()
  )
  return {
    shown: () => stage.shownTo(name),
    close: async () => {
      if (isClosed) return
      isClosed = true
      stage.leave(name, clock.monotonicMs())
      release()
      await ffmpeg.close()
    }
  }
}
