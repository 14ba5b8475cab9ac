/** Transport addresses and aliases in the form in which the tables keep and compare them. */
import { isIPv4, isIPv6 } from 'node:net'
import type { AliasAddress, TransportAddress } from '../h225/h225.ts'

export interface Address {
  readonly ip: string
  readonly port: number
}

/** `192.0.2.1:1720`, `[2001:db8::1]:1720`. */
export const textOfAddress = ({ ip, port }: Address): string => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`)

/** The inverse of {@link textOfAddress}; null for anything else. */
export function addressOfText(text: string): Address | null {
  const colon = text.lastIndexOf(':')
  const ip = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const port = Number(text.slice(colon + 1))
  const isPort = /^\d{1,5}$/.test(text.slice(colon + 1)) && port >= 1 && port <= 65_535
  return isPort && (isIPv4(ip) || isIPv6(ip)) ? { ip: plainIp(ip), port } : null
}

/** One spelling for one address: IPv4 in IPv6 as IPv4, IPv6 compressed. */
export function plainIp(ip: string): string {
  if (!isIPv6(ip)) return ip
  const [address = ip] = ip.split('%')
  const compressed = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed)
  if (mapped === null) return compressed
  const [high, low] = [Number.parseInt(mapped[1]!, 16), Number.parseInt(mapped[2]!, 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** Null for what no datagram and no call can be sent to: other networks, port 0, the unspecified address, multicast. */
export function addressOf(address: TransportAddress): Address | null {
  if (address.type !== 'ipAddress' && address.type !== 'ip6Address') return null
  const { ip, port } = address.value
  const isUnusable = port === 0 || ip.every((octet) => octet === 0) || (ip.length === 4 ? ip[0]! >= 224 : ip[0] === 0xff)
  if (isUnusable) return null
  if (ip.length === 4) return { ip: ip.join('.'), port }
  const groups = Array.from({ length: 8 }, (_, at) => ((ip[at * 2]! << 8) | ip[at * 2 + 1]!).toString(16))
  return { ip: plainIp(groups.join(':')), port }
}

export function transportAddressOf({ ip, port }: Address): TransportAddress {
  if (isIPv4(ip)) return { type: 'ipAddress', value: { ip: Uint8Array.from(ip.split('.'), Number), port } }
  const [front = '', back] = ip.split('::')
  const groupsOf = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const head = groupsOf(front)
  const tail = groupsOf(back ?? '')
  const groups = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail]
  return { type: 'ip6Address', value: { ip: Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])), port } }
}

const ownKinds = { digits: 'dialedDigits', h323: 'h323-ID', url: 'url-ID', email: 'email-ID' } as const
type OwnKind = keyof typeof ownKinds

/** Peers may end a name with NUL. */
const withoutNul = (text: string): string => text.replace(/\0+$/, '')
const withLowerHost = (text: string): string => text.replace(/@[^@]*$/, (host) => host.toLowerCase())

/**
 * `digits:1001`, `h323:alice`, `url:sip:a@b`, `email:a@b`. A public party number is the same as its dialled digits (H.323 §7.1.3). Null for the kinds
 * of alias that are not registered here, and for empty names.
 */
export function keyOfAlias(alias: AliasAddress): string | null {
  const named = (kind: OwnKind, text: string): string | null => (text === '' ? null : `${kind}:${text}`)
  switch (alias.type) {
    case 'dialedDigits':
      return named('digits', withoutNul(alias.value))
    case 'h323-ID':
      return named('h323', withoutNul(alias.value).normalize('NFC'))
    case 'url-ID':
      return named('url', withLowerHost(withoutNul(alias.value)))
    case 'email-ID':
      return named('email', withLowerHost(withoutNul(alias.value)))
    case 'partyNumber':
      return alias.value.type === 'e164Number' ? named('digits', alias.value.value.publicNumberDigits) : null
    default:
      return null
  }
}

export const nameOfKey = (key: string): string => key.slice(key.indexOf(':') + 1)
export const isDigits = (key: string): boolean => key.startsWith('digits:')

export function aliasOfKey(key: string): AliasAddress {
  const kind = ownKinds[key.slice(0, key.indexOf(':')) as OwnKind]
  return { type: kind, value: nameOfKey(key) }
}

/** An alias as configuration and commands write it: digits are a number, what has a scheme is a URL, the rest an H.323 identifier. */
export function keyOfText(text: string): string {
  if (/^[0-9*#,]+$/.test(text)) return `digits:${text}`
  return /^[a-z][a-z0-9+.-]*:/i.test(text) ? `url:${withLowerHost(text)}` : `h323:${text.normalize('NFC')}`
}

/** The URI by which IF.guard and its registry know an alias. */
export function uriOfKey(key: string, domain: string): string {
  const name = nameOfKey(key)
  if (/^sips?:/i.test(name)) return name
  const bare = key.startsWith('url:') ? name.replace(/^[a-z0-9+.-]+:/i, '') : name
  const [user = '', host = domain] = bare.includes('@') ? bare.split(/@(?=[^@]*$)/) : [bare]
  return `sip:${encodeURIComponent(user)}@${host}`
}
