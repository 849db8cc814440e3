"""The two steps that Redis takes for us, in Lua; time is Redis' own.

They are `records.settle` and `permits.draw` again, since only there is a step one for all processes. A value that is
none of ours (another type, hostile digits) is never trusted: it counts as nothing there, and is said.
"""

EXCHANGE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ranks = {half_open = 0, closed = 1, open = 2, isolated = 3}
local keep = tonumber(ARGV[1])

local function read(key)
  local raw = redis.pcall('GET', key)
  if type(raw) == 'table' then
    if string.find(raw.err, 'WRONGTYPE', 1, true) then return nil, 1 end
    error(raw.err)
  end
  if not raw then return nil, 0 end
  local generation, state, forced, till, process = string.match(raw, '^(%d+) ([%l_]+) ([01]) (%d+) ([%w%-]+)$')
  if not generation or not ranks[state] or #generation > 16 or #till > 16 or #process > 64 then return nil, 1 end
  generation = tonumber(generation)
  if generation < 1 or generation > 2 ^ 50 then return nil, 1 end
  return {generation = generation, state = state, forced = forced, till = tonumber(till), process = process}, 0
end

local function settle(held, new, insists)
  if not new or not held then return held or new end
  if new.generation == held.generation and new.state == held.state and new.process == held.process then
    return held
  end
  if held.state == 'isolated' and new.forced == '0' then
    if new.generation > held.generation then
      held.generation = new.generation + 1
      held.is_new = true
    end
    return held
  end
  if new.generation > held.generation then return new end
  if new.generation == held.generation and ranks[new.state] > ranks[held.state] then return new end
  if not insists then return held end
  new.generation = held.generation + 1
  return new
end

local answers = {}
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * 6
  local new = nil
  if ARGV[at] ~= '0' then
    new = {generation = tonumber(ARGV[at]), state = ARGV[at + 1], forced = ARGV[at + 2],
           till = now + tonumber(ARGV[at + 4]), process = ARGV[at + 5], is_new = true}
  end
  local held, garbage = read(key)
  local counts = settle(held, new, ARGV[at + 3] == '1')
  if not counts then
    answers[i] = {garbage}
  else
    if counts.is_new then
      local value = string.format('%.0f %s %s %.0f %s', counts.generation, counts.state, counts.forced, counts.till,
                                  counts.process)
      redis.call('SET', key, value, 'PX', keep)
    elseif redis.call('PTTL', key) < keep / 2 then
      redis.call('PEXPIRE', key, keep)
    end
    answers[i] = {garbage, string.format('%.0f', counts.generation), counts.state, counts.forced, counts.process,
                  string.format('%.0f', math.max(0, counts.till - now))}
  end
end
return answers
"""
"""KEYS: circuits. ARGV: how long to keep them, in ms; then for each its generation (0 to listen only), state, forced,
insists, for how long in ms, process. Answers for each: garbage, generation, state, forced, process, remaining ms."""

LEASE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local SLOTS, MOST = 32, 1000000000

local function share_of(left, want)
  if left < 1 then return 0 end
  return math.min(want, math.ceil(math.floor(left) / 2))
end

local function bucket(raw, capacity, span, spent, want)
  local garbage, left = 0, capacity
  if raw then
    local level, at = string.match(raw, '^b (%-?%d+%.%d%d%d%d%d%d) (%d+)$')
    if level and #level <= 18 and #at <= 17 then
      left = math.min(capacity, tonumber(level) + math.max(0, now - tonumber(at)) / span)
    else
      garbage = 1
    end
  end
  left = math.max(-MOST, left - spent)
  local given = share_of(left, want)
  left = left - given
  local wait = 0
  if left < 1 then wait = (1 - left) * span end
  local keep = math.ceil((capacity - left) * span / 1000) + 1000
  return string.format('b %.6f %.0f', left, now), keep, given, left, wait, garbage
end

local function window(raw, capacity, span, spent, want)
  local length = math.max(1, math.ceil(span / SLOTS))
  local current = math.floor(now / length)
  local garbage, counts, used = 0, {}, 0
  if raw then
    if string.match(raw, '^w[ %d:]*$') and #raw < 1200 then
      local rest = string.gsub(string.sub(raw, 2), ' (%d+):(%d+)', function(slot, count)
        if #slot > 17 or #count > 10 then return nil end
        slot = tonumber(slot)
        if slot >= current - SLOTS then
          slot = math.min(slot, current)
          counts[slot] = (counts[slot] or 0) + tonumber(count)
          used = used + tonumber(count)
        end
        return ''
      end)
      if rest ~= '' then garbage, counts, used = 1, {}, 0 end
    else
      garbage = 1
    end
  end
  local left = capacity - used - spent
  local given = share_of(left, want)
  left = left - given
  if spent + given > 0 then counts[current] = math.min(MOST, (counts[current] or 0) + spent + given) end
  local slots = {}
  for slot in pairs(counts) do slots[#slots + 1] = slot end
  table.sort(slots)
  local words, room, wait = {'w'}, left, 0
  for i, slot in ipairs(slots) do
    words[i + 1] = string.format('%.0f:%.0f', slot, counts[slot])
    if room < 1 then
      room = room + counts[slot]
      wait = (slot + SLOTS + 1) * length - now
    end
  end
  return table.concat(words, ' '), math.ceil(span / 1000) * 2 + 1000, given, left, wait, garbage
end

local answers = {}
for i, key in ipairs(KEYS) do
  local at = 1 + (i - 1) * 5
  local draw = ARGV[at] == 'bucket' and bucket or window
  local raw = redis.pcall('GET', key)
  local is_other = 0
  if type(raw) == 'table' then
    if not string.find(raw.err, 'WRONGTYPE', 1, true) then error(raw.err) end
    raw, is_other = nil, 1
  end
  local value, keep, given, left, wait, garbage = draw(raw, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]),
                                                       tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]))
  redis.call('SET', key, value, 'PX', string.format('%.0f', math.min(keep, 1e14)))
  answers[i] = {math.max(garbage, is_other), string.format('%.0f', given), string.format('%.6f', left),
                string.format('%.0f', wait)}
end
return answers
"""
"""KEYS: rates. ARGV, for each: kind, capacity, span in microseconds, spent, wanted. Answers for each: garbage, given,
left, wait in microseconds."""
