/** Makes capture files, for tools that read them. */

export interface CapturedPacket {
  readonly transport: 'udp' | 'tcp'
  readonly sourcePort: number
  /** Host it comes from, in 127.0.0.0/8; packets of one host and port are one stream. */
  readonly sourceHost?: number
  readonly destinationPort: number
  readonly payload: Uint8Array
  /** First octet of the payload in the TCP stream; 0 where it is left out. */
  readonly sequence?: number
}

const linkTypeRawIp = 101

function ipv4({ transport, sourcePort, sourceHost = 1, destinationPort, payload, sequence = 0 }: CapturedPacket): Buffer {
  const header = transport === 'udp' ? Buffer.alloc(8) : Buffer.alloc(20)
  header.writeUInt16BE(sourcePort, 0)
  header.writeUInt16BE(destinationPort, 2)
  if (transport === 'udp') header.writeUInt16BE(8 + payload.length, 4)
  else {
    header.writeUInt32BE(sequence + 1, 4)
    header.writeUInt16BE(0x5018, 12)
    header.writeUInt16BE(0xffff, 14)
  }
  const ip = Buffer.alloc(20)
  ip.writeUInt16BE(0x4500, 0)
  ip.writeUInt16BE(20 + header.length + payload.length, 2)
  ip.writeUInt16BE(0x40_00, 6)
  ip.writeUInt16BE(64 * 256 + (transport === 'udp' ? 17 : 6), 8)
  ip.writeUInt32BE(0x7f000000 + sourceHost, 12)
  ip.writeUInt32BE(0x7fffff01, 16)
  return Buffer.concat([ip, header, payload])
}

/** A pcap file of raw IPv4 packets, a millisecond apart. */
export function pcapOf(packets: readonly CapturedPacket[]): Buffer {
  const head = Buffer.alloc(24)
  head.writeUInt32LE(0xa1b2c3d4, 0)
  head.writeUInt16LE(2, 4)
  head.writeUInt16LE(4, 6)
  head.writeUInt32LE(262_144, 16)
  head.writeUInt32LE(linkTypeRawIp, 20)
  const records = packets.flatMap((packet, at) => {
    const octets = ipv4(packet)
    const record = Buffer.alloc(16)
    record.writeUInt32LE(Math.floor(at / 1000), 0)
    record.writeUInt32LE((at % 1000) * 1000, 4)
    record.writeUInt32LE(octets.length, 8)
    record.writeUInt32LE(octets.length, 12)
    return [record, octets]
  })
  return Buffer.concat([head, ...records])
}
