/**
 * RTCP extended reports: VoIP metrics, and the summary of statistics.
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
 *     |     BT=6      |L|D|J|ToH|rsvd.|       block length = 9        |
 *     |                        SSRC of source                         |
 *     |          begin_seq            |             end_seq           |
 *     |                         lost_packets                          |
 *     |                         dup_packets                           |
 *     |               min, max, mean, dev jitter: one word each       |
 *     | min_ttl_or_hl | max_ttl_or_hl |mean_ttl_or_hl | dev_ttl_or_hl |
 *
 * @see RFC 3611 §2, §4.6, §4.7
 */
import { DecodeError } from '#kernel'

export const extendedReport = 207
const statisticsSummary = 6
const summaryOctets = 40
const voipMetrics = 7
const voipOctets = 36
/** Stands for a value that is not known: R factor and MOS, RERL; −128 for levels in dBm. */
const unavailable = 127

export interface VoipMetrics {
  /** Source the block is about. */
  readonly ssrc: number
  /** Shares of packets, 0 to 1, told in whole 1/256: what is over is cut off. */
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

/** What came between two reports. */
export interface StatisticsSummary {
  /** Source the block is about. */
  readonly ssrc: number
  /** Sequence numbers from the first on, up to but without the last. */
  readonly beginSequence: number
  readonly endSequence: number
  /** Null where the block does not tell. */
  readonly lost: number | null
  readonly duplicates: number | null
  /** Difference in transit time between packets and those before them, in units of the RTP clock. */
  readonly jitter: { readonly least: number; readonly most: number; readonly mean: number; readonly deviation: number } | null
}

/** The blocks of an XR packet that are known here. */
export interface ExtendedReport {
  /** Who reports. */
  readonly ssrc: number
  readonly summaries: readonly StatisticsSummary[]
  readonly voip: readonly VoipMetrics[]
}

/** The integer part of a share in 1/256. @see RFC 3611 §4.7.1 */
const share = (value: number) => Math.max(0, Math.min(255, Math.floor(value * 256)))
const milliseconds = (value: number) => Math.max(0, Math.min(65_535, Math.round(value)))
const score = (value: number | null) => (value === null ? unavailable : Math.max(10, Math.min(50, Math.round(value * 10))))

/** RX config: enhanced concealment (`11` would be standard), adaptive or not, buffer rate not told. @see RFC 3611 §4.7.6 */
const receiverConfig = (adaptive: boolean) => (0b10 << 6) | ((adaptive ? 0b11 : 0b10) << 4)

const word = (value: number) => Math.max(0, Math.min(0xffff_ffff, Math.round(value)))

/** Writes an XR packet. @param gmin packets in a row between losses that end a burst */
export function encodeExtendedReport({ ssrc, summaries, voip }: ExtendedReport, gmin: number): Buffer {
  const out = Buffer.alloc(8 + summaryOctets * summaries.length + voipOctets * voip.length)
  out[0] = 0x80
  out[1] = extendedReport
  out.writeUInt16BE(out.length / 4 - 1, 2)
  out.writeUInt32BE(ssrc >>> 0, 4)
  let at = 8
  for (const summary of summaries) {
    encodeSummary(out, at, summary)
    at += summaryOctets
  }
  for (const metrics of voip) {
    encodeVoip(out, at, metrics, gmin)
    at += voipOctets
  }
  return out
}

const summaryFlags = { lost: 0x80, duplicates: 0x40, jitter: 0x20 }

function encodeSummary(out: Buffer, at: number, { ssrc, beginSequence, endSequence, ...told }: StatisticsSummary): void {
  const { lost, duplicates, jitter } = told
  out[at] = statisticsSummary
  out[at + 1] =
    (lost === null ? 0 : summaryFlags.lost) |
    (duplicates === null ? 0 : summaryFlags.duplicates) |
    (jitter === null ? 0 : summaryFlags.jitter)
  out.writeUInt16BE(summaryOctets / 4 - 1, at + 2)
  out.writeUInt32BE(ssrc >>> 0, at + 4)
  out.writeUInt16BE(beginSequence & 0xffff, at + 8)
  out.writeUInt16BE(endSequence & 0xffff, at + 10)
  const { least, most, mean, deviation } = jitter ?? { least: 0, most: 0, mean: 0, deviation: 0 }
  for (const [i, value] of [lost ?? 0, duplicates ?? 0, least, most, mean, deviation].entries())
    out.writeUInt32BE(word(value), at + 12 + 4 * i)
}

function encodeVoip(out: Buffer, at: number, metrics: VoipMetrics, gmin: number): void {
  out[at] = voipMetrics
  out.writeUInt16BE(voipOctets / 4 - 1, at + 2)
  out.writeUInt32BE(metrics.ssrc >>> 0, at + 4)
  out.set([metrics.lossRate, metrics.discardRate, metrics.burstDensity, metrics.gapDensity].map(share), at + 8)
  const durations = [metrics.burstDurationMs, metrics.gapDurationMs, metrics.roundTripMs, metrics.endSystemDelayMs]
  for (const [i, value] of durations.entries()) out.writeUInt16BE(milliseconds(value), at + 12 + 2 * i)
  out.set([unavailable, unavailable, unavailable, gmin], at + 20)
  const { rFactor, mosListening, mosConversational, jitterBuffer } = metrics
  const rating = rFactor === null ? unavailable : Math.max(0, Math.min(100, Math.round(rFactor)))
  out.set([rating, unavailable, score(mosListening), score(mosConversational)], at + 24)
  out[at + 28] = receiverConfig(jitterBuffer.adaptive)
  const sizes = [jitterBuffer.nominalMs, jitterBuffer.maximumMs, jitterBuffer.absoluteMaximumMs]
  for (const [i, value] of sizes.entries()) out.writeUInt16BE(milliseconds(value), at + 30 + 2 * i)
}

const fault = (code: string, message: string, octet: number) =>
  new DecodeError(code, message, { path: 'rtcp.xr', bitOffset: octet * 8 })

const octetsOf: Readonly<Record<number, number>> = { [statisticsSummary]: summaryOctets, [voipMetrics]: voipOctets }

/**
 * Reads one XR packet; blocks of other types are passed over.
 *
 * @param data one packet of a compound, from its header on
 * @throws {DecodeError} `rtcp.xr.type`, `rtcp.xr.length`
 */
export function decodeExtendedReport(data: Buffer): ExtendedReport {
  if (data.length < 8 || data[1] !== extendedReport) throw fault('rtcp.xr.type', 'no extended report', 1)
  const end = 4 * (data.readUInt16BE(2) + 1)
  if (end > data.length || end < 8) throw fault('rtcp.xr.length', `${end} octets told, ${data.length} came`, 2)
  const summaries: StatisticsSummary[] = []
  const voip: VoipMetrics[] = []
  for (let at = 8; at < end; ) {
    if (at + 4 > end) throw fault('rtcp.xr.length', 'a block is cut off', at)
    const next = at + 4 * (data.readUInt16BE(at + 2) + 1)
    if (next > end) throw fault('rtcp.xr.length', 'a block is longer than its packet', at + 2)
    const type = data[at]!
    const octets = octetsOf[type]
    if (octets !== undefined && next - at !== octets)
      throw fault('rtcp.xr.length', `a block of type ${type} has ${octets} octets, not ${next - at}`, at + 2)
    if (type === statisticsSummary) summaries.push(decodeSummary(data, at))
    else if (type === voipMetrics) voip.push(decodeVoip(data, at))
    at = next
  }
  return { ssrc: data.readUInt32BE(4), summaries, voip }
}

function decodeSummary(data: Buffer, at: number): StatisticsSummary {
  const flags = data[at + 1]!
  const word = (n: number) => data.readUInt32BE(at + 12 + 4 * n)
  return {
    ssrc: data.readUInt32BE(at + 4),
    beginSequence: data.readUInt16BE(at + 8),
    endSequence: data.readUInt16BE(at + 10),
    lost: (flags & summaryFlags.lost) === 0 ? null : word(0),
    duplicates: (flags & summaryFlags.duplicates) === 0 ? null : word(1),
    jitter: (flags & summaryFlags.jitter) === 0 ? null : { least: word(2), most: word(3), mean: word(4), deviation: word(5) }
  }
}

function decodeVoip(data: Buffer, at: number): VoipMetrics {
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
