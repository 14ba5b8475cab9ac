/** What the Redis server does in one step. A script is one unit in the append-only file too: after a crash all of it is there or nothing. */
import { createHash } from 'node:crypto'

export interface Script {
  readonly text: string
  readonly sha1: string
}

const script = (text: string): Script => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

/**
 * Takes a step of the log when the lease is the writer's and the head is the one the step was made for.
 *
 * KEYS: lease, head, segments, tiles, producers, keys, erasable.
 * ARGV: lease as held; size and last hash of the old head; stream id, count, data and keys of the segment; size, last hash and checkpoint of the new
 * head; how many of the arguments that follow are for tiles, producers, single keys and erasable payloads, names and values in turn, and how many are names of erased
 * payloads.
 *
 * All that can fail is tried before the first write: Redis undoes nothing.
 *
 * @returns `taken`; `moved`: the log has another head; `lost`: the lease is not this writer's
 */
export const commitScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local head = redis.call('HMGET', KEYS[2], 'size', 'lastHash')
if (head[1] or '0') ~= ARGV[2] or (head[1] and head[2] ~= ARGV[3]) then return 'moved' end
for at = 4, 7 do
  local type = redis.call('TYPE', KEYS[at]).ok
  if type ~= 'hash' and type ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[at] .. ' holds a ' .. type) end
end
redis.call('XADD', KEYS[3], ARGV[4], 'count', ARGV[5], 'data', ARGV[6], 'keys', ARGV[7])
redis.call('HSET', KEYS[2], 'size', ARGV[8], 'lastHash', ARGV[9], 'checkpoint', ARGV[10])
local at = 16
local function each(part, command, key)
  local last = at + tonumber(ARGV[10 + part]) - 1
  while at <= last do
    local to = math.min(last, at + 1999)
    redis.call(command, key, unpack(ARGV, at, to))
    at = to + 1
  end
end
each(1, 'HSET', KEYS[4])
each(2, 'HSET', KEYS[5])
each(3, 'HSET', KEYS[6])
each(4, 'HSET', KEYS[7])
each(5, 'HDEL', KEYS[7])
return 'taken'
`)

/**
 * Takes the lease when nobody has it, or this writer itself, under a token one higher than the last.
 *
 * KEYS: lease, fence. ARGV: holder, milliseconds.
 *
 * @returns the lease as it is held now, `<token> <holder>`, and its milliseconds; the first is the writer's own when it got it
 */
export const acquireScript = script(`
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, string.find(held, ' ', 1, true) + 1) ~= ARGV[1] then return {held, redis.call('PTTL', KEYS[1])} end
local lease = string.format('%.0f', redis.call('INCR', KEYS[2])) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
return {lease, tonumber(ARGV[2])}
`)

/** KEYS: lease. ARGV: lease as held, milliseconds. @returns 1 when it was renewed */
export const renewScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

/** KEYS: lease. ARGV: lease as held. */
export const releaseScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)
