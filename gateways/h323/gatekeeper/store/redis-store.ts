import { Redis } from 'ioredis'
import { InfraFabricError } from '#kernel'
import type { Registration } from '../tables/registrations.ts'
import type { RegistrationStore, StoreChange } from './store.ts'

/**
 * Takes the aliases when all of them are free, the endpoint's own or left over by one that expired.
 *
 * KEYS: registrations, their ends, aliases (three hashes). ARGV: endpoint, end, value, now, channel, message, alias...
 */
const claimScript = `
local taken = {}
for i = 7, #ARGV do
  local holder = redis.call('HGET', KEYS[3], ARGV[i])
  if holder and holder ~= ARGV[1] then
    local ends = redis.call('HGET', KEYS[2], holder)
    if ends and tonumber(ends) > tonumber(ARGV[4]) then taken[#taken + 1] = ARGV[i] end
  end
end
if #taken > 0 then return taken end
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before then
  for _, alias in ipairs(cjson.decode(before).aliases) do
    if redis.call('HGET', KEYS[3], alias) == ARGV[1] then redis.call('HDEL', KEYS[3], alias) end
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for i = 7, #ARGV do redis.call('HSET', KEYS[3], ARGV[i], ARGV[1]) end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {}
`

/** ARGV: endpoint, end, channel, message. */
const renewScript = `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
`

/** ARGV: endpoint, channel, message, the time by which it must have expired. */
const forgetScript = `
local before = redis.call('HGET', KEYS[1], ARGV[1])
if not before then return 0 end
local ends = redis.call('HGET', KEYS[2], ARGV[1])
if ends and tonumber(ends) > tonumber(ARGV[4]) then return 0 end
for _, alias in ipairs(cjson.decode(before).aliases) do
  if redis.call('HGET', KEYS[3], alias) == ARGV[1] then redis.call('HDEL', KEYS[3], alias) end
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
`

export interface RedisStoreOptions {
  /** Host and port, or the path of a Unix socket. */
  readonly server: { readonly host: string; readonly port: number } | { readonly path: string }
  /** In front of every key; gatekeepers of one zone share it. Default `h323:gk`. */
  readonly prefix?: string
  /** Name of this gatekeeper among those that share the store. */
  readonly member: string
  /** Told when the connection fails, which is made again by itself, and of changes that cannot be read (`h323.store.malformed`). */
  readonly failed?: (error: Error) => void
}

const commandTimeoutMs = 2000

/** Registrations shared by several gatekeepers through Redis. @throws {InfraFabricError} `h323.store.unreachable` */
export async function openRedisStore({
  server,
  prefix = 'h323:gk',
  member,
  failed
}: RedisStoreOptions): Promise<RegistrationStore> {
  /** Made again only once it was there, and until it is closed. */
  let isWanted = false
  const options = {
    retryStrategy: (times: number) => (isWanted ? Math.min(times * 100, 2000) : null),
    ...server,
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeoutMs,
    connectTimeout: commandTimeoutMs
  }
  const redis = new Redis(options)
  redis.on('error', (error: Error) => failed?.(error))
  try {
    await redis.connect()
    isWanted = true
  } catch (cause) {
    redis.disconnect()
    throw new InfraFabricError('h323.store.unreachable', 'the Redis server of the gatekeepers is out of reach', { cause })
  }
  const keys = [`${prefix}:registrations`, `${prefix}:ends`, `${prefix}:aliases`] as const
  const channel = `${prefix}:changes`
  const told = (change: StoreChange): string => JSON.stringify({ ...change, member })
  const run = (script: string, ...given: (string | number)[]): Promise<unknown> =>
    redis.eval(script, keys.length, ...keys, ...given)
  let subscriber: Redis | null = null

  const forget = async (endpointId: string, expiredAt = Number.MAX_SAFE_INTEGER): Promise<void> => {
    await run(forgetScript, endpointId, channel, told({ endpointId, registration: null }), expiredAt)
  }
  const read = async (endpointId: string): Promise<Registration | null> => {
    const [value, ends] = await Promise.all([redis.hget(keys[0], endpointId), redis.hget(keys[1], endpointId)])
    return value === null || ends === null ? null : { ...(JSON.parse(value) as Registration), expiresAt: Number(ends) }
  }

  return {
    forget,
    async claim(registration, now) {
      const { endpointId, aliases, expiresAt } = registration
      const value = JSON.stringify(registration)
      const message = told({ endpointId, registration })
      const taken = (await run(claimScript, endpointId, expiresAt, value, now, channel, message, ...aliases)) as string[]
      return taken.length === 0 ? { state: 'claimed' } : { state: 'taken', aliases: taken }
    },
    async renew(endpointId, expiresAt) {
      const registration = await read(endpointId)
      if (registration === null) return
      await run(renewScript, endpointId, expiresAt, channel, told({ endpointId, registration: { ...registration, expiresAt } }))
    },
    async load(now) {
      const [values, ends] = await Promise.all([redis.hgetall(keys[0]), redis.hgetall(keys[1])])
      const alive: Registration[] = []
      for (const [endpointId, value] of Object.entries(values)) {
        const expiresAt = Number(ends[endpointId] ?? 0)
        if (expiresAt > now) alive.push({ ...(JSON.parse(value) as Registration), expiresAt })
        else await forget(endpointId, now)
      }
      return alive.sort((a, b) => a.registeredAt - b.registeredAt)
    },
    async watch(changed) {
      subscriber = redis.duplicate()
      subscriber.on('error', (error: Error) => failed?.(error))
      subscriber.on('message', (_channel: string, message: string) => {
        let told: StoreChange & { member: string }
        try {
          told = JSON.parse(message)
        } catch {
          failed?.(new InfraFabricError('h323.store.malformed', 'a change in the store cannot be read'))
          return
        }
        const { member: from, endpointId, registration } = told
        if (from !== member) changed({ endpointId, registration })
      })
      await subscriber.subscribe(channel)
    },
    async close() {
      isWanted = false
      subscriber?.disconnect()
      redis.disconnect()
    }
  }
}
