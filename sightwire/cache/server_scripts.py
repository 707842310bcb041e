"""What the server does in one step each, in Lua.

A tag is a key that holds a nonce. An entry holds, beside its value, the nonces that its tags had when its computation
began, and counts only while every one of them still has it. So deleting a tag's key deletes all its entries in one
step, however many there are, those being computed at that moment included; and a server that evicts or loses tags loses
entries, but never brings one back.

Entries are hashes: field `v` is the envelope, field `t<tag>` the nonce of a tag.
"""

from typing import Final

# KEYS: entry, lock, counts, then the tags that the value would get.
# ARGV: prefix of tags' keys, "1" to count, lock token or "", lock ms, new nonce, ms a tag lives at least.
# Returns {1, envelope, ms left, tags...} or {0, 1 when the lock is ours, nonces...}.
LOOK_UP: Final = """
local fields = redis.call('HGETALL', KEYS[1])
local envelope = false
local tags = {}
local valid = #fields > 0
for i = 1, #fields, 2 do
  if fields[i] == 'v' then
    envelope = fields[i + 1]
  else
    local tag = string.sub(fields[i], 2)
    if redis.call('GET', ARGV[1] .. tag) ~= fields[i + 1] then valid = false end
    tags[#tags + 1] = tag
  end
end
if ARGV[2] == '1' then
  redis.call('HINCRBY', KEYS[3], 'lookups', 1)
  redis.call('HINCRBY', KEYS[3], (valid and envelope) and 'hits' or 'misses', 1)
end
if valid and envelope then
  return {1, envelope, redis.call('PTTL', KEYS[1]), unpack(tags)}
end
if #fields > 0 then redis.call('DEL', KEYS[1]) end
local locked = 0
if ARGV[3] ~= '' and redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then locked = 1 end
local nonces = {}
for i = 4, #KEYS do
  local nonce = redis.call('GET', KEYS[i])
  if not nonce then
    nonce = ARGV[5]
    redis.call('SET', KEYS[i], nonce, 'PX', ARGV[6])
  end
  nonces[#nonces + 1] = nonce
end
return {0, locked, unpack(nonces)}
"""

# KEYS: entry, lock, counts, then the tags.
# ARGV: envelope, ttl ms, lock token or "", new nonce, ms that tags outlive the entry, channel, message,
# then each tag's name and expected nonce ("" for any).
# Returns 1, or 0 when a tag was deleted since the computation began.
STORE: Final = """
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) == ARGV[3] then redis.call('DEL', KEYS[2]) end
local fields = {'v', ARGV[1]}
for i = 4, #KEYS do
  local name, expected = ARGV[2 * i], ARGV[2 * i + 1]
  local nonce = redis.call('GET', KEYS[i])
  if expected ~= '' and nonce ~= expected then
    redis.call('HINCRBY', KEYS[3], 'refused', 1)
    return 0
  end
  local lives = ARGV[2] + ARGV[5]
  if not nonce then
    nonce = ARGV[4]
    redis.call('SET', KEYS[i], nonce, 'PX', lives)
  elseif redis.call('PTTL', KEYS[i]) < lives then
    redis.call('PEXPIRE', KEYS[i], lives)
  end
  fields[#fields + 1] = 't' .. name
  fields[#fields + 1] = nonce
end
local before = redis.call('HGET', KEYS[1], 'v')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HINCRBY', KEYS[3], 'sets', 1)
if before and before ~= ARGV[1] then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return 1
"""

# KEYS: lock. ARGV: token.
RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

# KEYS: counts, then the entries' and tags' keys. ARGV: channel, message.
INVALIDATE: Final = """
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
redis.call('PUBLISH', ARGV[1], ARGV[2])
-- Last, and with its error passed over: a server out of memory refuses to count, but still deletes.
redis.pcall('HINCRBY', KEYS[1], 'invalidations', 1)
return 1
"""

# Adds what one process counted since its last report. A report that comes again, because its answer was lost, is told
# by its number and not added twice.
# KEYS: counts, number of this process's last report. ARGV: number, ms to remember it, then fields and increments.
# Returns all counts, read in the same step.
REPORT: Final = """
if tonumber(redis.call('GET', KEYS[2]) or '0') < tonumber(ARGV[1]) then
  for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
return redis.call('HGETALL', KEYS[1])
"""
