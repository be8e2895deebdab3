#!lua flags=allow-oom
-- Ends a worker's batch and takes the next, atomically.
-- KEYS: source, processing, delayed, dead, suspects, then a key for each outcome
-- ARGV: messages at most, 1 if there is a batch to end, number of retries, how long outcomes are kept (s),
--       then (delay ms, message) for each retry, then the outcomes, then the dead letters
-- Returns {number of delayed messages, {messages}}
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local held = 0
if ARGV[2] == '1' then
  -- If there is nothing to delete, the worker was thought dead and its messages went to others, which answer them now.
  if redis.call('DEL', KEYS[2]) == 1 and #ARGV > 4 then
    local last_retry = 4 + 2 * tonumber(ARGV[3])
    local last_outcome = last_retry + #KEYS - 5
    local now = now_ms()
    for i = 5, last_retry, 2 do
      redis.call('ZADD', KEYS[3], now + ARGV[i], ARGV[i + 1])
    end
    for i = last_retry + 1, last_outcome do
      redis.call('SET', KEYS[5 + i - last_retry], ARGV[i], 'EX', ARGV[4])
    end
    for i = last_outcome + 1, #ARGV do
      redis.call('RPUSH', KEYS[4], ARGV[i])
    end
  end
else
  held = redis.call('LLEN', KEYS[2])
end

local room = ARGV[1] - held
if room <= 0 then
  return {0, {}}
end

if held == 0 then
  -- A message that several workers died of is alone, so that it is known which one it is.
  local suspect = redis.call('LMOVE', KEYS[5], KEYS[2], 'LEFT', 'RIGHT')
  if suspect then
    return {0, {suspect}}
  end
end

local waiting = redis.call('ZCARD', KEYS[3])
if waiting > 0 then
  local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_ms(), 'LIMIT', 0, 1000)
  for _, message in ipairs(due) do
    redis.call('RPUSH', KEYS[1], message)
    redis.call('ZREM', KEYS[3], message)
  end
  waiting = waiting - #due
end

local depth = redis.call('LLEN', KEYS[1])
if depth == 0 then
  return {waiting, {}}
end
if held == 0 and depth <= room then
  redis.call('RENAME', KEYS[1], KEYS[2])
  return {waiting, redis.call('LRANGE', KEYS[2], 0, -1)}
end
local taken = redis.call('LPOP', KEYS[1], room)
-- Lua's stack holds some 8,000 values.
for i = 1, #taken, 1000 do
  redis.call('RPUSH', KEYS[2], unpack(taken, i, math.min(i + 999, #taken)))
end
return {waiting, taken}
