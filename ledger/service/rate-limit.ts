/** Token buckets, as many as there are callers, and never more than `most`: whoever was heard of least recently is forgotten first. */
import { isIPv6 } from 'node:net'

export interface Rate {
  readonly perSecond: number
  /** What may come at once. */
  readonly burst: number
}

export interface RateLimit {
  /** Takes `cost` from the bucket of `name`. @returns 0, or when there is not enough the seconds until there is */
  readonly take: (name: string, cost?: number) => number
  readonly size: () => number
}

export function createRateLimit({ perSecond, burst }: Rate, monotonicMs: () => number, most = 10_000): RateLimit {
  const buckets = new Map<string, { level: number; atMs: number }>()
  return {
    take: (name, cost = 1) => {
      const now = monotonicMs()
      const bucket = buckets.get(name)
      const level = bucket === undefined ? burst : Math.min(burst, bucket.level + ((now - bucket.atMs) / 1000) * perSecond)
      const wait = level >= Math.min(cost, burst) ? 0 : (Math.min(cost, burst) - level) / perSecond
      buckets.delete(name)
      if (buckets.size >= most) buckets.delete(buckets.keys().next().value!)
      buckets.set(name, { level: wait === 0 ? level - cost : level, atMs: now })
      return wait
    },
    size: () => buckets.size
  }
}

/** Name of a network neighbour: an IPv4 address, or the /64 of an IPv6 one, within which a host may choose addresses at will. */
export function neighbourOf(address: string): string {
  if (!isIPv6(address)) return address
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (v4 !== undefined) return v4
  const [head = '', tail] = address.split('%')[0]!.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = tail === undefined ? front : [...front, ...Array(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
