/**
 * RTCP: sender and receiver reports, source descriptions, extended reports, goodbye.
 *
 * @see RFC 3550 §6, RFC 3611
 */
import { DecodeError } from '#kernel'
import { decodeExtendedReport, type ExtendedReport, extendedReport } from './rtcp-xr.ts'

const rtcpTypes = { senderReport: 200, receiverReport: 201, sourceDescription: 202, goodbye: 203 } as const

export interface ReportBlock {
  /** Source the block is about. */
  readonly ssrc: number
  /** In 1/256. */
  readonly fractionLost: number
  /** Signed 24 bits. */
  readonly cumulativeLost: number
  readonly extendedHighest: number
  /** Timestamp units. */
  readonly jitter: number
  /** Middle 32 bits of the NTP time of the last sender report; 0 before one came. */
  readonly lastSenderReport: number
  /** Since then, in 1/65536 s. */
  readonly delaySinceLast: number
}

export interface SenderInfo {
  /** NTP time, seconds since 1900 and fraction, each 32 bits. */
  readonly ntpSeconds: number
  readonly ntpFraction: number
  readonly timestamp: number
  readonly packets: number
  readonly octets: number
}

export type RtcpPacket =
  | { readonly type: 'senderReport'; readonly ssrc: number; readonly sender: SenderInfo; readonly blocks: readonly ReportBlock[] }
  | { readonly type: 'receiverReport'; readonly ssrc: number; readonly blocks: readonly ReportBlock[] }
  | { readonly type: 'sourceDescription'; readonly cname: string | null }
  | { readonly type: 'goodbye'; readonly ssrcs: readonly number[] }
  | { readonly type: 'extendedReport'; readonly report: ExtendedReport }
  | { readonly type: 'other'; readonly packetType: number }

const secondsFrom1900To1970 = 2_208_988_800

/** NTP time of a wall clock in milliseconds since 1970. */
export function ntpTime(nowMs: number): { ntpSeconds: number; ntpFraction: number } {
  const seconds = Math.floor(nowMs / 1000)
  const fraction = Math.floor(((nowMs - seconds * 1000) / 1000) * 2 ** 32)
  return { ntpSeconds: (seconds + secondsFrom1900To1970) >>> 0, ntpFraction: fraction >>> 0 }
}

/** Middle 32 bits of an NTP time: what LSR and DLSR reckon in. */
export function ntpMiddle(seconds: number, fraction: number): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0
}

/**
 * Round trip from a report block about us.
 *
 * @param nowMs wall clock at arrival.
 * @returns milliseconds; null when the block answers no report, or would have answered it before it was sent
 * @see RFC 3550 §6.4.1 (DLSR)
 */
export function roundTripMs(block: ReportBlock, nowMs: number): number | null {
  if (block.lastSenderReport === 0) return null
  const { ntpSeconds, ntpFraction } = ntpTime(nowMs)
  const elapsed = (ntpMiddle(ntpSeconds, ntpFraction) - block.lastSenderReport - block.delaySinceLast) | 0
  return elapsed < 0 ? null : (elapsed * 1000) / 65_536
}

function fault(code: string, message: string, octet: number): DecodeError {
  return new DecodeError(code, message, { path: 'rtcp', bitOffset: octet * 8 })
}

/**
 * Reads a compound packet. The first must be a report, as RFC 3550 §6.1 demands, unless `reducedSize` (RFC 5506).
 *
 * @throws {DecodeError} `rtcp.short`, `rtcp.version`, `rtcp.length`, `rtcp.compound`
 */
export function decodeRtcp(data: Buffer, reducedSize = false): RtcpPacket[] {
  const packets: RtcpPacket[] = []
  for (let at = 0; at < data.length; ) {
    if (data.length - at < 4) throw fault('rtcp.short', 'header is cut off', at)
    if (data[at]! >> 6 !== 2) throw fault('rtcp.version', `version ${data[at]! >> 6}, expected 2`, at)
    const end = at + 4 * (data.readUInt16BE(at + 2) + 1)
    if (end > data.length) throw fault('rtcp.length', 'packet is longer than what arrived', at + 2)
    const packetType = data[at + 1]!
    if (at === 0 && !reducedSize && packetType !== rtcpTypes.senderReport && packetType !== rtcpTypes.receiverReport) {
      throw fault('rtcp.compound', 'the first packet is no report', 1)
    }
    packets.push(decodeOne(data, at, end, data[at]! & 0x1f, packetType))
    at = end
  }
  return packets
}

function decodeOne(data: Buffer, at: number, end: number, count: number, packetType: number): RtcpPacket {
  const need = (octets: number) => {
    if (at + octets > end) throw fault('rtcp.length', 'packet is too short for its contents', at)
  }
  switch (packetType) {
    case rtcpTypes.senderReport:
      need(28 + 24 * count)
      return {
        type: 'senderReport',
        ssrc: data.readUInt32BE(at + 4),
        sender: {
          ntpSeconds: data.readUInt32BE(at + 8),
          ntpFraction: data.readUInt32BE(at + 12),
          timestamp: data.readUInt32BE(at + 16),
          packets: data.readUInt32BE(at + 20),
          octets: data.readUInt32BE(at + 24)
        },
        blocks: decodeBlocks(data, at + 28, count)
      }
    case rtcpTypes.receiverReport:
      need(8 + 24 * count)
      return { type: 'receiverReport', ssrc: data.readUInt32BE(at + 4), blocks: decodeBlocks(data, at + 8, count) }
    case rtcpTypes.sourceDescription:
      return { type: 'sourceDescription', cname: decodeCname(data, at, end) }
    case rtcpTypes.goodbye:
      need(4 + 4 * count)
      return { type: 'goodbye', ssrcs: Array.from({ length: count }, (_, i) => data.readUInt32BE(at + 4 + 4 * i)) }
    case extendedReport:
      return { type: 'extendedReport', report: decodeExtendedReport(data.subarray(at, end)) }
    default:
      return { type: 'other', packetType }
  }
}

function decodeBlocks(data: Buffer, from: number, count: number): ReportBlock[] {
  return Array.from({ length: count }, (_, i) => {
    const at = from + 24 * i
    return {
      ssrc: data.readUInt32BE(at),
      fractionLost: data[at + 4]!,
      cumulativeLost: data.readIntBE(at + 5, 3),
      extendedHighest: data.readUInt32BE(at + 8),
      jitter: data.readUInt32BE(at + 12),
      lastSenderReport: data.readUInt32BE(at + 16),
      delaySinceLast: data.readUInt32BE(at + 20)
    }
  })
}

const cnameItem = 1

function decodeCname(data: Buffer, at: number, end: number): string | null {
  for (let item = at + 8; item + 2 <= end && data[item] !== 0; item += 2 + data[item + 1]!) {
    const itemEnd = item + 2 + data[item + 1]!
    if (itemEnd > end) throw fault('rtcp.length', 'item is longer than its packet', item)
    if (data[item] === cnameItem) return data.toString('utf8', item + 2, itemEnd)
  }
  return null
}

/** A report: SR when there is something sent to report on, else RR; then SDES with the CNAME, an extended report, and BYE when we leave. */
export function encodeReport(report: {
  readonly ssrc: number
  readonly cname: string
  readonly sender: SenderInfo | null
  readonly block: ReportBlock | null
  /** An XR packet as it stands. */
  readonly extended?: Buffer | undefined
  readonly goodbye: boolean
}): Buffer {
  const { ssrc, sender, block, extended } = report
  const blocks = block === null ? 0 : 1
  const out = Buffer.alloc(256 + (extended?.length ?? 0))
  let at = 0
  const header = (count: number, packetType: number, octets: number) => {
    out[at] = 0x80 | count
    out[at + 1] = packetType
    out.writeUInt16BE(octets / 4 - 1, at + 2)
    at += 4
  }
  const word = (value: number) => {
    at = out.writeUInt32BE(value >>> 0, at)
  }
  if (sender === null) header(blocks, rtcpTypes.receiverReport, 8 + 24 * blocks)
  else header(blocks, rtcpTypes.senderReport, 28 + 24 * blocks)
  word(ssrc)
  if (sender !== null)
    for (const value of [sender.ntpSeconds, sender.ntpFraction, sender.timestamp, sender.packets, sender.octets]) word(value)
  if (block !== null) {
    word(block.ssrc)
    out[at] = block.fractionLost
    out.writeIntBE(Math.max(-0x800000, Math.min(0x7fffff, block.cumulativeLost)), at + 1, 3)
    at += 4
    for (const value of [block.extendedHighest, block.jitter, block.lastSenderReport, block.delaySinceLast]) word(value)
  }
  const cname = Buffer.from(report.cname.slice(0, 64), 'utf8')
  const items = Math.ceil((2 + cname.length + 1) / 4) * 4
  header(1, rtcpTypes.sourceDescription, 8 + items)
  word(ssrc)
  out[at] = cnameItem
  out[at + 1] = cname.length
  cname.copy(out, at + 2)
  at += items
  if (extended !== undefined) at += extended.copy(out, at)
  if (report.goodbye) {
    header(1, rtcpTypes.goodbye, 8)
    word(ssrc)
  }
  return out.subarray(0, at)
}
