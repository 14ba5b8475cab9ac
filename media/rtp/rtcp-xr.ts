/**
 * RTCP extended reports: the VoIP metrics block.
 *
 *     |     BT=7      |   reserved    |       block length = 8        |
 *     |                        SSRC of source                         |
 *     |   loss rate   | discard rate  | burst density |  gap density  |
 *     |       burst duration          |         gap duration          |
 *     |     round trip delay          |       end system delay        |
 *     | signal level  |  noise level  |     RERL      |     Gmin      |
 *     |   R factor    | ext. R factor |    MOS-LQ     |    MOS-CQ     |
 *     |   RX config   |   reserved    |          JB nominal           |
 *     |          JB maximum           |          JB abs max           |
 *
 * @see RFC 3611 §2, §4.7
 */
import { DecodeError } from '#kernel'

export const extendedReport = 207
const voipMetrics = 7
const blockOctets = 36
/** Stands for a value that is not known: R factor and MOS, RERL; −128 for levels in dBm. */
const unavailable = 127

export interface VoipMetrics {
  /** Source the block is about. */
  readonly ssrc: number
  /** Shares of packets, 0 to 1, in steps of 1/256. */
  readonly lossRate: number
  readonly discardRate: number
  readonly burstDensity: number
  readonly gapDensity: number
  /** Mean, in milliseconds, at most 65,535. */
  readonly burstDurationMs: number
  readonly gapDurationMs: number
  readonly roundTripMs: number
  readonly endSystemDelayMs: number
  /** Rating 0 to 100, null where it is not known. */
  readonly rFactor: number | null
  /** Scores 1 to 5 in steps of 0.1, listening and conversational. */
  readonly mosListening: number | null
  readonly mosConversational: number | null
  readonly jitterBuffer: {
    readonly adaptive: boolean
    readonly nominalMs: number
    readonly maximumMs: number
    readonly absoluteMaximumMs: number
  }
}

const share = (value: number) => Math.max(0, Math.min(255, Math.round(value * 256)))
const milliseconds = (value: number) => Math.max(0, Math.min(65_535, Math.round(value)))
const score = (value: number | null) => (value === null ? unavailable : Math.max(10, Math.min(50, Math.round(value * 10))))

/** RX config: enhanced concealment, adaptive or not, buffer rate not told. @see RFC 3611 §4.7.5 */
const receiverConfig = (adaptive: boolean) => (0b11 << 6) | ((adaptive ? 0b11 : 0b10) << 4)

/** An XR packet with one VoIP metrics block. @param ssrc of who reports */
export function encodeVoipMetrics(ssrc: number, metrics: VoipMetrics, gmin: number): Buffer {
  const out = Buffer.alloc(8 + blockOctets)
  out[0] = 0x80
  out[1] = extendedReport
  out.writeUInt16BE(out.length / 4 - 1, 2)
  out.writeUInt32BE(ssrc >>> 0, 4)
  out[8] = voipMetrics
  out.writeUInt16BE(blockOctets / 4 - 1, 10)
  out.writeUInt32BE(metrics.ssrc >>> 0, 12)
  out.set([metrics.lossRate, metrics.discardRate, metrics.burstDensity, metrics.gapDensity].map(share), 16)
  const durations = [metrics.burstDurationMs, metrics.gapDurationMs, metrics.roundTripMs, metrics.endSystemDelayMs]
  for (const [i, value] of durations.entries()) out.writeUInt16BE(milliseconds(value), 20 + 2 * i)
  out.set([unavailable, unavailable, unavailable, gmin], 28)
  const { rFactor, mosListening, mosConversational, jitterBuffer } = metrics
  const rating = rFactor === null ? unavailable : Math.max(0, Math.min(100, Math.round(rFactor)))
  out.set([rating, unavailable, score(mosListening), score(mosConversational)], 32)
  out[36] = receiverConfig(jitterBuffer.adaptive)
  const sizes = [jitterBuffer.nominalMs, jitterBuffer.maximumMs, jitterBuffer.absoluteMaximumMs]
  for (const [i, value] of sizes.entries()) out.writeUInt16BE(milliseconds(value), 38 + 2 * i)
  return out
}

const fault = (code: string, message: string, octet: number) =>
  new DecodeError(code, message, { path: 'rtcp.xr', bitOffset: octet * 8 })

/**
 * The VoIP metrics blocks of one XR packet; blocks of other types are passed over.
 *
 * @param data one packet of a compound, from its header on
 * @throws {DecodeError} `rtcp.xr.type`, `rtcp.xr.length`
 */
export function decodeVoipMetrics(data: Buffer): VoipMetrics[] {
  if (data.length < 8 || data[1] !== extendedReport) throw fault('rtcp.xr.type', 'no extended report', 1)
  const end = 4 * (data.readUInt16BE(2) + 1)
  if (end > data.length || end < 8) throw fault('rtcp.xr.length', `${end} octets told, ${data.length} came`, 2)
  const found: VoipMetrics[] = []
  for (let at = 8; at < end; ) {
    if (at + 4 > end) throw fault('rtcp.xr.length', 'a block is cut off', at)
    const next = at + 4 * (data.readUInt16BE(at + 2) + 1)
    if (next > end) throw fault('rtcp.xr.length', 'a block is longer than its packet', at + 2)
    if (data[at] === voipMetrics) {
      if (next - at !== blockOctets)
        throw fault('rtcp.xr.length', `a VoIP metrics block has ${blockOctets} octets, not ${next - at}`, at + 2)
      found.push(decodeBlock(data, at))
    }
    at = next
  }
  return found
}

function decodeBlock(data: Buffer, at: number): VoipMetrics {
  const known = (octet: number) => (octet === unavailable ? null : octet)
  const tenth = (octet: number) => (octet === unavailable ? null : octet / 10)
  return {
    ssrc: data.readUInt32BE(at + 4),
    lossRate: data[at + 8]! / 256,
    discardRate: data[at + 9]! / 256,
    burstDensity: data[at + 10]! / 256,
    gapDensity: data[at + 11]! / 256,
    burstDurationMs: data.readUInt16BE(at + 12),
    gapDurationMs: data.readUInt16BE(at + 14),
    roundTripMs: data.readUInt16BE(at + 16),
    endSystemDelayMs: data.readUInt16BE(at + 18),
    rFactor: known(data[at + 24]!),
    mosListening: tenth(data[at + 26]!),
    mosConversational: tenth(data[at + 27]!),
    jitterBuffer: {
      adaptive: ((data[at + 28]! >> 4) & 0b11) === 0b11,
      nominalMs: data.readUInt16BE(at + 30),
      maximumMs: data.readUInt16BE(at + 32),
      absoluteMaximumMs: data.readUInt16BE(at + 34)
    }
  }
}
