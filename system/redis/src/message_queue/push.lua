#!lua flags=allow-oom
-- Pushes messages although Redis is full.
-- KEYS: list
-- ARGV: messages
for i = 1, #ARGV, 1000 do
  redis.call('RPUSH', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return redis.call('LLEN', KEYS[1])
