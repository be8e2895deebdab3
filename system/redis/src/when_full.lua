#!lua flags=allow-oom
-- Carries out commands although Redis is full, where the first key's value is as expected.
-- KEYS: those of the commands
-- ARGV: the expected value, then for each command the number of its words and these
-- Returns 1, or 0 where the value is another one
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
local at = 2
while at <= #ARGV do
  local last = at + ARGV[at]
  redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return 1
