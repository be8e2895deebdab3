#!lua flags=allow-oom
-- Puts messages whose delay is over at the end of their queue.
-- KEYS: delayed, source
-- ARGV: messages at most, the longest delay (ms)
-- Returns their number
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
if #due == 0 then
  -- What would wait longer than the longest delay has waited since before Redis's clock was set back.
  due = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now + ARGV[2], '+inf', 'LIMIT', 0, ARGV[1])
end
for _, message in ipairs(due) do
  redis.call('RPUSH', KEYS[2], message)
  redis.call('ZREM', KEYS[1], message)
end
return #due
