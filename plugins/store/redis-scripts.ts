/**
 * Scripts of the Redis store. The server runs each alone and whole.
 *
 * A record is a field of the hash `records`, `<version>:<JSON>`; its key also stands in the sorted set `keys`, all with score 0, which gives their order.
 */

import { createHash } from 'node:crypto'

export interface Script {
  readonly text: string
  readonly sha1: string
}

const script = (text: string): Script => ({ text, sha1: createHash('sha1').update(text).digest('hex') })

/**
 * Writes a change. KEYS: records, keys, version, feed, cut. ARGV: counts of expect, put, remove, tell, and events kept; then the pairs of each.
 *
 * @returns `{0, key}` of a conflict, or `{1, version, time}`
 */
export const commitScript = script(`
local at = 6
local expects, puts, removes, tells, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
for i = 1, expects do
  local found = redis.call('HGET', KEYS[1], ARGV[at])
  local version = '0'
  if found then version = string.match(found, '^%d+') end
  if version ~= ARGV[at + 1] then return {0, ARGV[at]} end
  at = at + 2
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local version = redis.call('INCR', KEYS[3])
for i = 1, puts do
  redis.call('HSET', KEYS[1], ARGV[at], string.format('%.0f', version) .. ':' .. ARGV[at + 1])
  redis.call('ZADD', KEYS[2], 0, ARGV[at])
  at = at + 2
end
for i = 1, removes do
  redis.call('HDEL', KEYS[1], ARGV[at])
  redis.call('ZREM', KEYS[2], ARGV[at])
  at = at + 1
end
for i = 1, tells do
  redis.call('XADD', KEYS[4], string.format('%.0f-%d', version, i), 'at', now, 'topic', ARGV[at], 'data', ARGV[at + 1])
  at = at + 2
end
if tells > 0 then
  local over = redis.call('XLEN', KEYS[4]) - tonumber(kept)
  if over > 1000 then
    local last = redis.call('XRANGE', KEYS[4], '-', '+', 'COUNT', over)
    redis.call('SET', KEYS[5], string.match(last[#last][1], '^%d+'))
    redis.call('XTRIM', KEYS[4], 'MAXLEN', kept)
  end
end
return {1, version, now}
`)

/** Records by key. KEYS: records. ARGV: keys. @returns time, then the records */
export const readScript = script(`
local time = redis.call('TIME')
local found = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
for i = 1, #ARGV do found[i + 1] = redis.call('HGET', KEYS[1], ARGV[i]) end
return found
`)

/** Records in the order of their keys. KEYS: records, keys. ARGV: least and greatest as ZRANGEBYLEX takes them, limit. @returns time, then keys and records */
export const listScript = script(`
local time = redis.call('TIME')
local found = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))}
for _, key in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('HGET', KEYS[1], key)
end
return found
`)
