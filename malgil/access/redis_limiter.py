"""The limiter of all processes on one Redis: a sliding window, one round trip, one clock.

The window slides in sixtieths of the rule's span. What was taken counts until the whole sixtieth it was taken in has
left the window, so no span ever sees more than the capacity, and a key costs at most 61 small numbers however high its
limit is. Redis runs the script as one command and brings the time: processes whose clocks differ agree.

When Redis is away, the process decides by itself. Its own buckets count all the time, so that they stand where
this process's callers are and nobody gets a fresh minute by the failure.
"""

import logging
from collections.abc import Callable, Sequence
from hashlib import blake2b, sha1
from types import TracebackType
from typing import Final, Self

from malgil.access.limits import Ask, Decision, MemoryLimiter, Rule
from malgil.storage.redis import FAULTS, Redis, ResponseError
from malgil.storage.redis_wire import SILENCE_SECONDS, RedisWire

SLICES: Final = 60
_LONGEST_KEY: Final = 200

_log = logging.getLogger(__name__)

# KEYS: one hash a rule, from the number of a slice to what was taken in it. ARGV: capacity, length of a slice in µs
# and cost of each. Answers four numbers each: had room, remaining, µs until reset, µs until retry.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local slices = tonumber(ARGV[1])
local found, allowed = {}, true
for i, key in ipairs(KEYS) do
  local rule = {capacity = tonumber(ARGV[3 * i - 1]), slice = tonumber(ARGV[3 * i]), cost = tonumber(ARGV[3 * i + 1]),
                used = 0, last = 0, live = {}, stale = {}}
  rule.here = math.floor(now / rule.slice)
  local taken = redis.call('HGETALL', key)
  for j = 1, #taken, 2 do
    local at, count = tonumber(taken[j]), tonumber(taken[j + 1])
    if math.abs(rule.here - at) > slices then
      table.insert(rule.stale, taken[j])
    else
      rule.used = rule.used + count
      rule.last = math.max(rule.last, at)
      table.insert(rule.live, {at, count})
    end
  end
  rule.room = rule.used + rule.cost <= rule.capacity
  allowed = allowed and rule.room
  found[i] = rule
end
local answer = {}
for i, key in ipairs(KEYS) do
  local rule = found[i]
  local function gone(at) return (at + slices + 1) * rule.slice - now end
  local retry = 0
  if allowed then
    rule.used = rule.used + rule.cost
    rule.last = math.max(rule.last, rule.here)
    redis.call('HINCRBY', key, string.format('%.0f', rule.here), rule.cost)
    if #rule.stale > 0 then redis.call('HDEL', key, unpack(rule.stale)) end
    redis.call('PEXPIRE', key, math.ceil(gone(rule.last) / 1000))
  elseif not rule.room then
    table.sort(rule.live, function(a, b) return a[1] < b[1] end)
    local left = rule.used
    retry = gone(rule.here)
    for _, one in ipairs(rule.live) do
      left = left - one[2]
      if left + rule.cost <= rule.capacity then retry = gone(one[1]) break end
    end
  end
  local reset = rule.used > 0 and gone(rule.last) or 0
  table.insert(answer, rule.room and 1 or 0)
  table.insert(answer, rule.capacity - rule.used)
  table.insert(answer, reset)
  table.insert(answer, retry)
end
return answer
"""
_SHA: Final = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisLimiter:
    """Decides in Redis, and by itself while Redis is away; `fallen_back` says which. Use as a context manager."""

    def __init__(self, client: Redis, monotonic: Callable[[], float], *, silence: float = SILENCE_SECONDS) -> None:
        self.fallen_back = False
        self._wire = RedisWire(client, silence=silence)
        self._memory = MemoryLimiter(monotonic)

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.__aexit__(kind, error, trace)

    async def take(self, key: str, rule: Rule, cost: int = 1) -> Decision:
        return (await self.take_all((Ask(key, rule, cost),)))[0]

    async def take_all(self, asks: Sequence[Ask]) -> list[Decision]:
        alone = self._memory.decide(asks)
        try:
            answer = await self._decide(asks)
        except FAULTS as error:
            self._turn(True, error)
            return alone
        self._turn(False)
        return [
            Decision(answer[i] == 1, ask.rule.capacity, max(0, answer[i + 1]), answer[i + 2] / 1e6, answer[i + 3] / 1e6)
            for i, ask in zip(range(0, len(answer), 4), asks, strict=True)
        ]

    async def _decide(self, asks: Sequence[Ask]) -> list[int]:
        keys = [_name(ask) for ask in asks]
        numbers = [n for ask in asks for n in (ask.rule.capacity, _slice(ask.rule), ask.cost)]
        rest: tuple[str | int, ...] = (len(keys), *keys, SLICES, *numbers)
        try:
            found = await self._wire.ask("EVALSHA", _SHA, *rest)
        except ResponseError:
            # Redis was started again, or told to forget its scripts: it learns this one anew by running it.
            found = await self._wire.ask("EVAL", _SCRIPT, *rest)
        return [int(n) for n in found]

    def _turn(self, fallen_back: bool, error: Exception | None = None) -> None:
        if fallen_back is self.fallen_back:
            return
        self.fallen_back = fallen_back
        if fallen_back:
            _log.warning("Redis does not answer, limits are kept by this process alone: %s", error)
        else:
            _log.info("Redis answers again, limits are kept by all processes together")


def _slice(rule: Rule) -> int:
    """Microseconds."""
    return max(1, round(rule.span * 1e6 / SLICES))


def _name(ask: Ask) -> str:
    """The keys of one request's rules begin alike in braces, so that a cluster has them in one place."""
    key = ask.key
    if len(key) > _LONGEST_KEY or not key.isascii():
        key = blake2b(key.encode(errors="surrogatepass"), digest_size=32).hexdigest()
    return f"malgil:limit:{{{key}}}:{ask.rule.name}:{_slice(ask.rule)}"
