/** Token buckets by address: bounded in number, whatever sources are forged. */
export interface Limiter {
  /** Whether one more request of this address is taken. */
  readonly take: (ip: string, nowMs: number) => boolean
  readonly size: () => number
}

interface Bucket {
  tokens: number
  at: number
}

export function createLimiter(perSecond: number, burst: number, most: number): Limiter {
  /** Least lately used first. */
  const buckets = new Map<string, Bucket>()
  return {
    size: () => buckets.size,
    take(ip, nowMs) {
      const bucket = buckets.get(ip) ?? { tokens: burst, at: nowMs }
      bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.at) * perSecond) / 1000)
      bucket.at = nowMs
      buckets.delete(ip)
      buckets.set(ip, bucket)
      if (buckets.size > most) buckets.delete(buckets.keys().next().value!)
      if (bucket.tokens < 1) return false
      bucket.tokens--
      return true
    }
  }
}
