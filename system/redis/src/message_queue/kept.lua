#!lua flags=no-writes
-- Reads what a queue has, at one moment.
-- KEYS: source
-- Returns {messages that workers hold, delayed ones, suspects, waiting ones, dead letters}
local held = {}
for _, worker in ipairs(redis.call('ZRANGE', KEYS[1] .. ':workers', 0, -1)) do
  for _, message in ipairs(redis.call('LRANGE', KEYS[1] .. ':processing:' .. worker, 0, -1)) do
    held[#held + 1] = message
  end
end
return {
  held,
  redis.call('ZRANGE', KEYS[1] .. ':delayed', 0, -1),
  redis.call('LRANGE', KEYS[1] .. ':suspects', 0, -1),
  redis.call('LRANGE', KEYS[1], 0, -1),
  redis.call('LRANGE', KEYS[1] .. ':dead', 0, -1)
}
