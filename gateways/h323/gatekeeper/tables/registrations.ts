/** The registration table: endpoints by identifier, alias, prefix and address. Pure; time is a parameter. */
import { isDigits, nameOfKey } from '../addresses.ts'

/** One registered endpoint; plain data, as the store keeps it. */
export interface Registration {
  readonly endpointId: string
  /** Keys of {@link keyOfAlias}. */
  readonly aliases: readonly string[]
  /** Numbers that begin so are reached through this gateway. */
  readonly prefixes: readonly string[]
  readonly kind: 'terminal' | 'gateway' | 'mcu' | 'other'
  /** Texts of {@link textOfAddress}; the first is where calls are sent. */
  readonly signalAddresses: readonly string[]
  /** Where its datagrams come from and answers go to. */
  readonly rasAddress: string
  /** Name in the configured users; null without authentication. */
  readonly user: string | null
  readonly traceId: string
  readonly registeredAt: number
  /** Wall clock, milliseconds. */
  readonly expiresAt: number
}

export interface RegistrationTable {
  readonly put: (registration: Registration) => void
  readonly remove: (endpointId: string) => Registration | undefined
  readonly get: (endpointId: string) => Registration | undefined
  readonly byAlias: (key: string) => Registration | undefined
  readonly bySignalAddress: (address: string) => Registration | undefined
  /** Gateways for a number, those with the longest prefix first. */
  readonly byNumber: (digits: string) => readonly Registration[]
  /** Whether an endpoint registered from this IP. */
  readonly isKnownIp: (ip: string) => boolean
  /** Whether longer numbers that begin so are registered. */
  readonly isBeginning: (digits: string) => boolean
  readonly expired: (now: number) => readonly Registration[]
  readonly list: () => readonly Registration[]
  readonly size: () => number
}

const ipOf = (address: string): string => address.slice(0, address.lastIndexOf(':'))

export function createRegistrationTable(): RegistrationTable {
  const byId = new Map<string, Registration>()
  const aliases = new Map<string, string>()
  const prefixes = new Map<string, Set<string>>()
  const signals = new Map<string, string>()
  const ips = new Map<string, number>()

  function remove(endpointId: string): Registration | undefined {
    const gone = byId.get(endpointId)
    if (gone === undefined) return undefined
    byId.delete(endpointId)
    for (const key of gone.aliases) if (aliases.get(key) === endpointId) aliases.delete(key)
    for (const address of gone.signalAddresses) if (signals.get(address) === endpointId) signals.delete(address)
    for (const prefix of gone.prefixes) {
      const gateways = prefixes.get(prefix)
      gateways?.delete(endpointId)
      if (gateways?.size === 0) prefixes.delete(prefix)
    }
    const ip = ipOf(gone.rasAddress)
    const left = (ips.get(ip) ?? 1) - 1
    if (left === 0) ips.delete(ip)
    else ips.set(ip, left)
    return gone
  }

  return {
    remove,
    put(registration) {
      const { endpointId } = registration
      remove(endpointId)
      byId.set(endpointId, registration)
      for (const key of registration.aliases) aliases.set(key, endpointId)
      for (const address of registration.signalAddresses) signals.set(address, endpointId)
      for (const prefix of registration.prefixes) {
        const gateways = prefixes.get(prefix)
        if (gateways === undefined) prefixes.set(prefix, new Set([endpointId]))
        else gateways.add(endpointId)
      }
      const ip = ipOf(registration.rasAddress)
      ips.set(ip, (ips.get(ip) ?? 0) + 1)
    },
    get: (endpointId) => byId.get(endpointId),
    byAlias: (key) => byId.get(aliases.get(key) ?? ''),
    bySignalAddress: (address) => byId.get(signals.get(address) ?? ''),
    byNumber(digits) {
      const found: Registration[] = []
      for (let length = digits.length; length > 0; length--) {
        for (const id of prefixes.get(digits.slice(0, length)) ?? []) found.push(byId.get(id)!)
      }
      return found
    },
    isKnownIp: (ip) => ips.has(ip.includes(':') ? `[${ip}]` : ip),
    isBeginning: (digits) => {
      for (const key of aliases.keys()) if (isDigits(key) && nameOfKey(key).startsWith(digits)) return true
      for (const prefix of prefixes.keys()) if (prefix.startsWith(digits)) return true
      return false
    },
    expired: (now) => [...byId.values()].filter(({ expiresAt }) => expiresAt <= now),
    list: () => [...byId.values()],
    size: () => byId.size
  }
}
