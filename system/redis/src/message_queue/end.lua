#!lua flags=allow-oom
-- Ends a worker's batch that leaves something behind.
-- KEYS: processing, delayed, dead, then a key for each outcome
-- ARGV: number of messages, number of retries, how long outcomes are kept (s), then (delay ms, message) for each retry, then the outcomes,
--       then the dead letters
-- If there is nothing to end, the worker was thought dead and its messages went to others, which answer them now.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return
end
local last_retry = 3 + 2 * ARGV[2]
local last_outcome = last_retry + #KEYS - 3
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 4, last_retry, 2 do
  redis.call('ZADD', KEYS[2], now + ARGV[i], ARGV[i + 1])
end
for i = last_retry + 1, last_outcome do
  redis.call('SET', KEYS[3 + i - last_retry], ARGV[i], 'EX', ARGV[3])
end
for i = last_outcome + 1, #ARGV do
  redis.call('RPUSH', KEYS[3], ARGV[i])
end
-- Last: what Redis refuses in between, as after a right was taken away, leaves the messages with their worker.
redis.call('LTRIM', KEYS[1], ARGV[1], -1)
