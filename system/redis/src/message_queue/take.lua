#!lua flags=allow-oom
-- Takes the oldest messages of a list into a processing list.
-- KEYS: list, processing
-- ARGV: messages at most
local taken = redis.call('LPOP', KEYS[1], ARGV[1])
if taken then
  redis.call('RPUSH', KEYS[2], unpack(taken))
end
return taken or {}
