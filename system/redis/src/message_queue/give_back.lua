#!lua flags=allow-oom
-- Gives a worker's messages back to the front of the source, in order, with one more redelivery each and, if the worker died, one more death.
-- Those of several deaths go to the suspects instead, and beyond the limit to the dead letters.
-- KEYS: source, processing, workers, dead, suspects
-- ARGV: worker, 1 if a worker without messages is forgotten, 1 if it counts as a death, deaths at most,
--       deaths after which a message is delivered alone, how long outcomes are kept (s)
-- Returns {number of the worker's messages, {messages that became dead letters}}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == '1' and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[3], ARGV[1])
end

-- The message with its counts, and its deaths.
local function counted(message)
  local rest = string.match(message, '^{(.*)$')
  if not rest then
    return message, 0
  end
  local redeliveries, after = string.match(rest, '^"redeliveries":(%d+),(.*)$')
  redeliveries, rest = (redeliveries or 0) + 1, after or rest
  local deaths, last = string.match(rest, '^"deaths":(%d+),(.*)$')
  deaths, rest = (deaths or 0) + ARGV[3], last or rest
  local head = string.format('{"redeliveries":%d,', redeliveries)
  if deaths > 0 then
    head = head .. string.format('"deaths":%d,', deaths)
  end
  return head .. rest, deaths
end

local held = redis.call('LRANGE', KEYS[2], 0, -1)
local dead = {}
for i = #held, 1, -1 do
  local message, deaths = counted(held[i])
  if deaths > tonumber(ARGV[4]) then
    local reason = deaths .. ' workers ended while they held it'
    redis.call('RPUSH', KEYS[4], cjson.encode({reason = reason, at_ms = now, message = message}))
    dead[#dead + 1] = message
    local is_message, envelope = pcall(cjson.decode, message)
    if is_message and type(envelope) == 'table' and envelope.kept then
      local outcome = cjson.encode({error = reason})
      redis.call('SET', KEYS[1] .. ':outcome:' .. envelope.id, outcome, 'EX', ARGV[6])
    end
  elseif deaths >= tonumber(ARGV[5]) then
    redis.call('LPUSH', KEYS[5], message)
  else
    redis.call('LPUSH', KEYS[1], message)
  end
end
redis.call('DEL', KEYS[2])
return {#held, dead}
