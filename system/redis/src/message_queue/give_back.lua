#!lua flags=allow-oom
-- Gives a worker's messages back to the front of the source, in order, with one more redelivery each.
-- KEYS: source, processing, workers, dead
-- ARGV: worker, dead after ms (-1: ignore its heartbeat), forget after ms, retries at most, dead letters kept
-- Returns {number of the worker's messages, {messages that became dead letters}}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dead_after = tonumber(ARGV[2])
if dead_after >= 0 then
  local silent = now - (redis.call('ZSCORE', KEYS[3], ARGV[1]) or 0)
  if silent < dead_after then
    return {0, {}}
  end
  -- Not forgotten at once: a stopped process that resumes may take one more message before its next heartbeat.
  if silent > tonumber(ARGV[3]) and redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('ZREM', KEYS[3], ARGV[1])
  end
end

local held = redis.call('LRANGE', KEYS[2], 0, -1)
local dead = {}
for i = #held, 1, -1 do
  local message = held[i]
  local redeliveries = 0
  local before, rest = string.match(message, '^{"redeliveries":(%d+),(.*)$')
  if before then
    redeliveries = before + 1
    message = '{"redeliveries":' .. redeliveries .. ',' .. rest
  elseif string.sub(message, 1, 1) == '{' then
    redeliveries = 1
    message = '{"redeliveries":1,' .. string.sub(message, 2)
  end
  if redeliveries > tonumber(ARGV[4]) then
    local reason = 'delivered ' .. redeliveries .. ' times and never answered'
    redis.call('RPUSH', KEYS[4], cjson.encode({reason = reason, at_ms = now, message = message}))
    dead[#dead + 1] = message
  else
    redis.call('LPUSH', KEYS[1], message)
  end
end
if #dead > 0 then
  redis.call('LTRIM', KEYS[4], -ARGV[5], -1)
end
redis.call('DEL', KEYS[2])
return {#held, dead}
