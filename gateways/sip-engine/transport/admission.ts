/**
 * Who may connect: bounds on connections and handshakes, in all and for each address, so that no peer can use up what the others need.
 * Knows no socket; time is an input.
 */
import { isIPv6 } from 'node:net'
import type { DropReason, TransportLimits } from './port.ts'

export interface Admission {
  /**
   * Asks for one more connection from an address; it counts until `leave`.
   *
   * @param handshake whether TLS or WebSocket handshakes follow; they count until `established`.
   * @returns the reason to refuse, or undefined.
   */
  readonly enter: (address: string, handshake: boolean, nowMs: number) => Extract<DropReason, `tooMany${string}`> | undefined
  readonly established: () => void
  readonly leave: (address: string) => void
}

export type AdmissionLimits = Pick<
  TransportLimits,
  'connections' | 'connectionsPerAddress' | 'handshakes' | 'handshakesPerSecond'
>

interface Peer {
  connections: number
  /** Handshakes it may begin now (token bucket), as of `refilledMs`. */
  handshakes: number
  refilledMs: number
}

const burst = 2
const sweepEvery = 4096

export function createAdmission(limits: AdmissionLimits): Admission {
  const peers = new Map<string, Peer>()
  const full = burst * limits.handshakesPerSecond
  let connections = 0
  let handshakes = 0
  let sinceSweep = 0

  const refill = (peer: Peer, nowMs: number): void => {
    peer.handshakes = Math.min(full, peer.handshakes + ((nowMs - peer.refilledMs) / 1000) * limits.handshakesPerSecond)
    peer.refilledMs = nowMs
  }

  /** Forgets addresses that have no connection and a full bucket again: what is kept is bounded by what came in the last seconds. */
  const sweep = (nowMs: number): void => {
    if (++sinceSweep < sweepEvery) return
    sinceSweep = 0
    for (const [key, peer] of peers) {
      refill(peer, nowMs)
      if (peer.connections === 0 && peer.handshakes >= full) peers.delete(key)
    }
  }

  return {
    enter: (address, handshake, nowMs) => {
      sweep(nowMs)
      if (connections >= limits.connections) return 'tooManyConnections'
      const key = addressGroup(address)
      const peer = peers.get(key) ?? { connections: 0, handshakes: full, refilledMs: nowMs }
      if (peer.connections >= limits.connectionsPerAddress) return 'tooManyConnections'
      if (handshake) {
        if (handshakes >= limits.handshakes) return 'tooManyHandshakes'
        refill(peer, nowMs)
        peers.set(key, peer)
        if (peer.handshakes < 1) return 'tooManyHandshakes'
        peer.handshakes--
        handshakes++
      }
      peers.set(key, peer)
      peer.connections++
      connections++
      return undefined
    },
    established: () => {
      handshakes--
    },
    leave: (address) => {
      connections--
      const key = addressGroup(address)
      const peer = peers.get(key)
      if (peer === undefined) return
      peer.connections--
      if (peer.connections === 0 && peer.handshakes >= full) peers.delete(key)
    }
  }
}

/** What counts as one peer: an IPv4 address, the /64 of an IPv6 address (every host has all of it at its disposal). */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.toLowerCase().split('%', 1)[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':')
    const width = behind.at(-1)?.includes('.') ? behind.length + 1 : behind.length
    while (groups.length + width < 8) groups.push('0')
    groups.push(...behind)
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
