/**
 * IP addresses as session descriptions write them, and as they stand in a `struct sockaddr`.
 *
 * @see RFC 4291 §2.2 (text of IPv6), RFC 5952 (the one form of it that is written here)
 */
export type Family = 4 | 6

/** Of an address in text. */
export const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4)

/** Where a peer on hold says that it is. @see RFC 3264 §8.4 */
export const isUnspecified = (address: string): boolean => address === '0.0.0.0' || address === '::'

/**
 * Writes the octets of an address, in network byte order.
 *
 * @param address valid, without brackets and zone
 * @returns how many: 4 or 16
 */
export function writeOctets(out: Uint8Array, at: number, address: string): 4 | 16 {
  if (familyOf(address) === 4) {
    for (const part of address.split('.')) out[at++] = Number(part)
    return 4
  }
  const [before = '', after] = address.split('::')
  const head = groupsOf(before)
  const tail = groupsOf(after ?? '')
  const groups = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
  for (const group of groups) {
    out[at++] = group >> 8
    out[at++] = group & 0xff
  }
  return 16
}

/** Groups of 16 bits; the last two may be written like an IPv4 address. */
function groupsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a * 256 + b, c * 256 + d]
  })
}

/** Text of an IPv6 address whose 16 octets stand at `at`. @see RFC 5952 §4 */
export function textOf6(octets: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, n) => octets.getUint16(at + 2 * n))
  let longest = { start: 8, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > longest.length) longest = { start, length }
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  const { start, length } = longest
  return start === 8 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`
}

/** The same address in the one form in which addresses are compared. @param address valid, without brackets and zone */
export function plainAddress(address: string): string {
  if (familyOf(address) === 4) return address
  const octets = new Uint8Array(16)
  writeOctets(octets, 0, address)
  return textOf6(new DataView(octets.buffer), 0)
}

/** Whether one participant can be reached there. An IPv6 address of a link alone (fe80::/10) says nothing without the name of the link. */
export function isUnicast(address: string): boolean {
  const octets = new Uint8Array(16)
  if (writeOctets(octets, 0, address) === 4) return octets[0]! > 0 && octets[0]! < 224
  const first = octets[0]! * 256 + octets[1]!
  const mapped = octets.subarray(0, 10).every((octet) => octet === 0) && octets[10] === 0xff && octets[11] === 0xff
  return first < 0xfe80 && !mapped && !isUnspecified(plainAddress(address))
}
