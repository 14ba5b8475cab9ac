/**
 * What the Redis server does in one step. A script is one unit in the append-only file too, and so is a transaction: after a crash all of it is there or nothing.
 *
 * A commit is a transaction of three commands: {@link openStepScript}, XADD … NOMKSTREAM of the segment to `step`, {@link takeStepScript}. The segment goes past the scripts, since Lua copies each argument and
 * hashes every octet of it; only between the two is there a stream of that name, so that a segment is added where lease and head fit, and nowhere else. All that can fail is tried before the first
 * write: Redis undoes nothing.
 */

/**
 * Gives the stream of segments the name `step`, when the lease is the writer's and the head is the one the commit was made for.
 *
 * KEYS: lease, head, segments, step, length, tiles, producers, keys, erasable. ARGV: lease as held; size and last hash of the old head.
 *
 * @returns `open`; `moved`: the log has another head; `lost`: the lease is not this writer's
 */
export const openStepScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local head = redis.call('HMGET', KEYS[2], 'size', 'lastHash')
if (head[1] or '0') ~= ARGV[2] or (head[1] and head[2] ~= ARGV[3]) then return 'moved' end
for at = 6, 9 do
  local type = redis.call('TYPE', KEYS[at]).ok
  if type ~= 'hash' and type ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[at] .. ' holds a ' .. type) end
end
redis.call('SET', KEYS[5], redis.call('XLEN', KEYS[3]))
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[3], 'none', '$', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[3], 'none')
end
redis.call('RENAME', KEYS[3], KEYS[4])
return 'open'
`

/**
 * Gives the stream its own name back, and sets the new head and what lies beside the log when the segment is in it.
 *
 * KEYS: as of {@link openStepScript}.
 * ARGV: size, last hash and checkpoint of the new head; how many of the arguments that follow are for tiles, producers, single keys and erasable payloads, names and values in turn, and how many are names
 * of erased payloads.
 *
 * @returns `taken`; `closed`: the step was not opened
 */
export const takeStepScript = `
local length = redis.call('GET', KEYS[5])
if not length then return 'closed' end
redis.call('RENAME', KEYS[4], KEYS[3])
redis.call('DEL', KEYS[5])
if redis.call('XLEN', KEYS[3]) ~= tonumber(length) + 1 then return redis.error_reply('ERR ' .. KEYS[3] .. ' did not take the segment') end
redis.call('HSET', KEYS[2], 'size', ARGV[1], 'lastHash', ARGV[2], 'checkpoint', ARGV[3])
local at = 9
local function each(part, command, key)
  local last = at + tonumber(ARGV[3 + part]) - 1
  while at <= last do
    local to = math.min(last, at + 1999)
    redis.call(command, key, unpack(ARGV, at, to))
    at = to + 1
  end
end
each(1, 'HSET', KEYS[6])
each(2, 'HSET', KEYS[7])
each(3, 'HSET', KEYS[8])
each(4, 'HSET', KEYS[9])
each(5, 'HDEL', KEYS[9])
return 'taken'
`

/**
 * Takes the lease when nobody has it, or this writer itself, under a token one higher than the last.
 *
 * KEYS: lease, fence. ARGV: holder, milliseconds.
 *
 * @returns the lease as it is held now, `<token> <holder>`, and its milliseconds; the first is the writer's own when it got it
 */
export const acquireScript = `
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, string.find(held, ' ', 1, true) + 1) ~= ARGV[1] then return {held, redis.call('PTTL', KEYS[1])} end
local lease = string.format('%.0f', redis.call('INCR', KEYS[2])) .. ' ' .. ARGV[1]
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
return {lease, tonumber(ARGV[2])}
`

/** KEYS: lease. ARGV: lease as held, milliseconds. @returns 1 when it was renewed */
export const renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`

/** KEYS: lease. ARGV: lease as held. */
export const releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`
