/**
 * Bandwidth accounts, in the units of H.225.0 BandWidth (100 bit/s, both directions together).
 *
 * A call has up to two legs. An endpoint pays for its leg. The zone, and the prefix dialled, pay once for a call: as much as its wider leg.
 */
export interface BandwidthLimits {
  readonly zone: number
  readonly endpoint: number
  readonly call: number
}

export interface BandwidthAccounts {
  /** What the leg may have at most, what it has now included. */
  readonly available: (callKey: string, endpointId: string, group?: Group) => number
  /** Sets what a leg has. @throws {RangeError} when it is more than is available */
  readonly set: (callKey: string, endpointId: string, amount: number, group?: Group) => void
  /** Gives back what the leg had; nothing when it had nothing. */
  readonly release: (callKey: string, endpointId: string) => void
  readonly zoneUsed: () => number
  readonly endpointUsed: (endpointId: string) => number
  readonly groupUsed: (name: string) => number
}

/** An account beside the zone's: a prefix. */
export interface Group {
  readonly name: string
  readonly limit: number
}

interface CallAccount {
  readonly legs: Map<string, number>
  readonly group: Group | undefined
}

const widest = (legs: ReadonlyMap<string, number>): number => Math.max(0, ...legs.values())

function change(accounts: Map<string, number>, name: string, difference: number): void {
  const left = (accounts.get(name) ?? 0) + difference
  if (left === 0) accounts.delete(name)
  else accounts.set(name, left)
}

export function createBandwidthAccounts(limits: BandwidthLimits): BandwidthAccounts {
  const calls = new Map<string, CallAccount>()
  const endpoints = new Map<string, number>()
  const groups = new Map<string, number>()
  let zone = 0

  function put(callKey: string, endpointId: string, amount: number, group: Group | undefined): void {
    const call = calls.get(callKey) ?? { legs: new Map<string, number>(), group }
    const before = widest(call.legs)
    change(endpoints, endpointId, amount - (call.legs.get(endpointId) ?? 0))
    if (amount === 0) call.legs.delete(endpointId)
    else call.legs.set(endpointId, amount)
    const difference = widest(call.legs) - before
    zone += difference
    if (call.group !== undefined) change(groups, call.group.name, difference)
    if (call.legs.size === 0) calls.delete(callKey)
    else calls.set(callKey, call)
  }

  function available(callKey: string, endpointId: string, group?: Group): number {
    const call = calls.get(callKey)
    const ofCall = call === undefined ? 0 : widest(call.legs)
    const ofLeg = call?.legs.get(endpointId) ?? 0
    const counted = call === undefined ? group : call.group
    const inGroup = counted === undefined ? Number.POSITIVE_INFINITY : counted.limit - (groups.get(counted.name) ?? 0) + ofCall
    const inEndpoint = limits.endpoint - (endpoints.get(endpointId) ?? 0) + ofLeg
    return Math.max(0, Math.min(limits.call, limits.zone - zone + ofCall, inEndpoint, inGroup))
  }

  return {
    available,
    set(callKey, endpointId, amount, group) {
      if (!Number.isSafeInteger(amount) || amount < 0 || amount > available(callKey, endpointId, group))
        throw new RangeError(`${amount} is more than is available`)
      put(callKey, endpointId, amount, group)
    },
    release: (callKey, endpointId) => {
      if (calls.get(callKey)?.legs.has(endpointId)) put(callKey, endpointId, 0, undefined)
    },
    zoneUsed: () => zone,
    endpointUsed: (endpointId) => endpoints.get(endpointId) ?? 0,
    groupUsed: (name) => groups.get(name) ?? 0
  }
}
