import type { Frame } from './capture.ts'

/** What UDP or TCP carried. */
export interface Packet {
  readonly time: number
  readonly transport: 'udp' | 'tcp'
  /** `192.0.2.1:1719`, `[2001:db8::1]:1719` */
  readonly from: string
  readonly to: string
  readonly fromPort: number
  readonly toPort: number
  /** TCP sequence number of the first octet, and whether the connection begins with it. */
  readonly sequence: number
  readonly isSyn: boolean
  readonly payload: Buffer
}

/** LINKTYPE_ values. @see https://www.tcpdump.org/linktypes.html */
const linkTypes = { null: 0, ethernet: 1, raw: 101, loop: 108, sll: 113, ipv4: 228, ipv6: 229, sll2: 276 }
const etherTypes = { ipv4: 0x0800, ipv6: 0x86dd, vlan: [0x8100, 0x88a8, 0x9100] }
const protocols = { tcp: 6, udp: 17 }
/** IPv6 extension headers that say their length in units of 8 octets: hop-by-hop, routing, destination options. */
const extensionHeaders = [0, 43, 60]

/** The UDP or TCP packet in a frame; undefined for anything else, fragments of IP among it. */
export function packetOf({ time, linkType, octets }: Frame): Packet | undefined {
  const ip = ipOf(linkType, octets)
  if (ip === undefined || ip.length < 20) return undefined
  const inner = ip[0]! >> 4 === 4 ? ipv4(ip) : ip[0]! >> 4 === 6 ? ipv6(ip) : undefined
  if (inner === undefined) return undefined
  const { source, destination, protocol, content } = inner
  const headerOctets = protocol === protocols.udp ? 8 : protocol === protocols.tcp ? 20 : undefined
  if (headerOctets === undefined || content.length < headerOctets) return undefined
  const isTcp = protocol === protocols.tcp
  const fromPort = content.readUInt16BE(0)
  const toPort = content.readUInt16BE(2)
  return {
    time,
    transport: isTcp ? 'tcp' : 'udp',
    from: `${source}:${fromPort}`,
    to: `${destination}:${toPort}`,
    fromPort,
    toPort,
    sequence: isTcp ? content.readUInt32BE(4) : 0,
    isSyn: isTcp && (content[13]! & 0x02) !== 0,
    payload: isTcp ? content.subarray((content[12]! >> 4) * 4) : content.subarray(8, Math.max(8, content.readUInt16BE(4)))
  }
}

function ipOf(linkType: number, octets: Buffer): Buffer | undefined {
  switch (linkType) {
    case linkTypes.raw:
    case linkTypes.ipv4:
    case linkTypes.ipv6:
      return octets
    case linkTypes.null:
    case linkTypes.loop:
      return octets.subarray(4)
    case linkTypes.sll:
      return byEtherType(octets, 14)
    case linkTypes.sll2:
      return octets.length < 20 ? undefined : isIp(octets.readUInt16BE(0)) ? octets.subarray(20) : undefined
    case linkTypes.ethernet:
      return byEtherType(octets, 12)
    default:
      return undefined
  }
}

const isIp = (etherType: number): boolean => etherType === etherTypes.ipv4 || etherType === etherTypes.ipv6

function byEtherType(octets: Buffer, at: number): Buffer | undefined {
  for (let offset = at; offset + 2 <= octets.length; offset += 4) {
    const etherType = octets.readUInt16BE(offset)
    if (isIp(etherType)) return octets.subarray(offset + 2)
    if (!etherTypes.vlan.includes(etherType)) return undefined
  }
  return undefined
}

interface Ip {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly content: Buffer
}

function ipv4(ip: Buffer): Ip | undefined {
  const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0
  const headerOctets = (ip[0]! & 0x0f) * 4
  // A length of 0 is left by network cards that cut packets themselves.
  const length = ip.readUInt16BE(2) || ip.length
  if (isFragment || headerOctets < 20 || length < headerOctets) return undefined
  const address = (at: number): string => ip.subarray(at, at + 4).join('.')
  return { source: address(12), destination: address(16), protocol: ip[9]!, content: ip.subarray(headerOctets, length) }
}

function ipv6(ip: Buffer): Ip | undefined {
  if (ip.length < 40) return undefined
  let protocol = ip[6]!
  let at = 40
  while (extensionHeaders.includes(protocol) && at + 8 <= ip.length) {
    protocol = ip[at]!
    at += (ip[at + 1]! + 1) * 8
  }
  const address = (from: number): string => `[${ipv6Text(ip.subarray(from, from + 16))}]`
  const length = ip.readUInt16BE(4) || ip.length - 40
  return { source: address(8), destination: address(24), protocol, content: ip.subarray(at, 40 + length) }
}

/** RFC 5952: the longest run of zero groups, if it is longer than one, is left out. */
export function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(i * 2).toString(16)).join(':')
  const longest = groups.match(/\b0(?::0)+\b/g)?.reduce((most, run) => (run.length > most.length ? run : most))
  if (longest === undefined) return groups
  const at = groups.search(new RegExp(`\\b${longest}\\b`))
  return `${groups.slice(0, at).replace(/:$/, '')}::${groups.slice(at + longest.length).replace(/^:/, '')}`
}
