/**
 * Files of RTP packets as they came, in the format of rtpdump and Wireshark.
 *
 *     #!rtpplay1.0 127.0.0.1/4000\n
 *     | start, seconds | start, microseconds | source address | port | 0 |      16 octets, once
 *     | length + 8 (16) | packet length (16) | offset in ms (32) | packet |     for each packet; packet length 0 stands for RTCP
 *
 * @see rtptools, rtpdump(1); the format is also read by Wireshark and rtpplay
 */
import { DecodeError } from '#kernel'

export interface RtpRecord {
  /** Since the start of the file, in milliseconds, whole. */
  readonly offsetMs: number
  readonly packet: Uint8Array
}

/** Octets in front of each packet. */
const recordHeaderLength = 8
/** Largest packet that fits a record. */
export const largestPacket = 65_535 - recordHeaderLength

/** @param startMs wall clock, in milliseconds since 1970 */
export function encodeDumpHeader(source: { readonly address: string; readonly port: number }, startMs: number): Buffer {
  const line = Buffer.from(`#!rtpplay1.0 ${source.address}/${source.port}\n`, 'latin1')
  const header = Buffer.alloc(16)
  header.writeUInt32BE(Math.floor(startMs / 1000), 0)
  header.writeUInt32BE(Math.round((startMs % 1000) * 1000), 4)
  for (const [i, octet] of source.address.split('.').map(Number).entries()) header[8 + i] = octet
  header.writeUInt16BE(source.port, 12)
  return Buffer.concat([line, header])
}

/** @throws {RangeError} for a packet that is empty or larger than {@link largestPacket} */
export function encodeRecord({ offsetMs, packet }: RtpRecord): Buffer {
  if (packet.length === 0 || packet.length > largestPacket)
    throw new RangeError(`expected a packet of 1 to ${largestPacket} octets, got ${packet.length}`)
  const out = Buffer.alloc(recordHeaderLength + packet.length)
  out.writeUInt16BE(out.length, 0)
  out.writeUInt16BE(packet.length, 2)
  out.writeUInt32BE(offsetMs >>> 0, 4)
  out.set(packet, recordHeaderLength)
  return out
}

export interface RtpDump {
  readonly source: { readonly address: string; readonly port: number }
  readonly startMs: number
  /** Octet at which the records begin. */
  readonly recordsAt: number
}

const fault = (code: string, message: string, octet: number) =>
  new DecodeError(code, message, { path: 'rtpdump', bitOffset: octet * 8 })

/** @throws {DecodeError} `rtpdump.malformed` */
export function decodeDumpHeader(file: Buffer): RtpDump {
  const match = /^#!rtpplay1\.0 (?<address>\d{1,3}(?:\.\d{1,3}){3})\/(?<port>\d{1,5})\n/.exec(file.toString('latin1', 0, 64))
  if (match === null) throw fault('rtpdump.malformed', 'expected #!rtpplay1.0 address/port', 0)
  const at = match[0].length
  if (file.length < at + 16) throw fault('rtpdump.malformed', 'the header is cut off', file.length)
  const { address, port } = match.groups as { address: string; port: string }
  return {
    source: { address, port: Number(port) },
    startMs: file.readUInt32BE(at) * 1000 + Math.round(file.readUInt32BE(at + 4) / 1000),
    recordsAt: at + 16
  }
}

/**
 * Records from `at` on. One that is cut off at the end of the file, as a power cut leaves it, is told as `cutAt`.
 *
 * @throws {DecodeError} `rtpdump.malformed` for lengths that lie
 */
export function decodeRecords(
  file: Buffer,
  at: number
): { readonly records: readonly RtpRecord[]; readonly cutAt: number | null } {
  const records: RtpRecord[] = []
  while (at < file.length) {
    if (file.length - at < recordHeaderLength) return { records, cutAt: at }
    const length = file.readUInt16BE(at)
    const packet = file.readUInt16BE(at + 2)
    if (length < recordHeaderLength + 1 || packet > length - recordHeaderLength)
      throw fault('rtpdump.malformed', `a record of ${length} octets with a packet of ${packet}`, at)
    if (at + length > file.length) return { records, cutAt: at }
    records.push({ offsetMs: file.readUInt32BE(at + 4), packet: file.subarray(at + recordHeaderLength, at + length) })
    at += length
  }
  return { records, cutAt: null }
}
