/** Octets that came too early are kept up to this many; beyond it the gap is given up. */
const maxEarly = 1_048_576

/** Sequence numbers count modulo 2³². */
const distance = (from: number, to: number): number => (to - from) | 0

/** One direction of a TCP connection, put in order from its packets. */
export class TcpStream {
  private next: number | undefined
  private early: { readonly sequence: number; readonly payload: Buffer }[] = []
  private kept = 0

  /** @returns octets that follow on what was given before, and whether some are missing in front of them */
  push(sequence: number, isSyn: boolean, payload: Buffer): { readonly octets: Buffer[]; readonly isGap: boolean } {
    if (isSyn) {
      this.next = (sequence + 1) >>> 0
      this.early = []
      this.kept = 0
    }
    this.next ??= sequence
    if (payload.length > 0 && distance(this.next, sequence + payload.length) > 0) {
      this.early.push({ sequence, payload })
      this.kept += payload.length
    }
    const octets = this.ready()
    if (octets.length > 0 || this.kept <= maxEarly) return { octets, isGap: false }
    this.next = this.early.reduce(
      (first, { sequence: other }) => (distance(first, other) < 0 ? other : first),
      this.early[0]!.sequence
    )
    return { octets: this.ready(), isGap: true }
  }

  private ready(): Buffer[] {
    const octets: Buffer[] = []
    for (;;) {
      const at = this.early.findIndex(({ sequence }) => distance(this.next!, sequence) <= 0)
      if (at < 0) return octets
      const [{ sequence, payload }] = this.early.splice(at, 1) as [{ sequence: number; payload: Buffer }]
      this.kept -= payload.length
      const known = distance(sequence, this.next!)
      if (known >= payload.length) continue
      octets.push(payload.subarray(known))
      this.next = (sequence + payload.length) >>> 0
    }
  }
}
