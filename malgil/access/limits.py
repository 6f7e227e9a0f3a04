"""How often: a rule, the promise of a limiter, and the limiter of one process.

A rule is a bucket: `limit` tokens that come back at `limit / per` a second, and `burst` more on top for who was quiet.
The refill begins one span (the time it takes to fill the bucket) after the first token was taken from a full one. So
at most `capacity` are given within the first span, to the last one: a bucket that refilled at once would give 105 of
150 calls that take three seconds where the rule says 100 a minute. Never does it give more than a plain bucket would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, Protocol

MOST_KEYS: Final = 65_536
_SWEPT: Final = 16


@dataclass(frozen=True, slots=True)
class Rule:
    """`limit` in `per` seconds, and `burst` more after a quiet time. Rules that may meet have different names."""

    name: str
    limit: int
    per: float = 60.0
    burst: int = 0
    # Known once, since every request asks.
    capacity: int = field(init=False, compare=False)
    """How many may come at once."""
    rate: float = field(init=False, compare=False)
    """Tokens that come back a second."""
    span: float = field(init=False, compare=False)
    """Seconds in which no more than `capacity` are given; with no burst this is `per`."""

    def __post_init__(self) -> None:
        set_once = partial(object.__setattr__, self)
        set_once("capacity", self.limit + self.burst)
        set_once("rate", self.limit / self.per)
        set_once("span", self.capacity / self.rate)


class Ask(NamedTuple):
    """`cost` tokens of the bucket that `key` has under `rule`."""

    key: str
    rule: Rule
    cost: int = 1


class Decision(NamedTuple):
    """What one rule says. `reset`: seconds until everything is back if nothing more is taken.

    `retry_after`: seconds until the same ask would be allowed; 0.0 when it was.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float
    retry_after: float


class Limiter(Protocol):
    """Counts for whoever asks. Raises nothing: when its memory is elsewhere and cannot be had, it decides by itself.

    - Of any number of asks at once under one key, exactly the rule's capacity is allowed within its span.
    - Keys and rules (by name) are independent. A key may be any text of any length.
    - A refused ask takes nothing; a cost above the capacity is always refused.
    """

    async def take(self, key: str, rule: Rule, cost: int = 1) -> Decision:
        """Take `cost` tokens, or none when there are not as many."""
        ...

    async def take_all(self, asks: Sequence[Ask]) -> list[Decision]:
        """Take all of it or, when one rule has not enough, nothing. Each decision says whether its rule had room."""
        ...


class _Bucket:
    __slots__ = ("full_at", "refills_at", "tokens")

    def __init__(self, tokens: float) -> None:
        self.tokens = tokens
        self.refills_at = 0.0
        self.full_at = 0.0


class MemoryLimiter:
    """The limiter of one process, on `monotonic`. Holds at most `most_keys` buckets; full ones are forgotten first."""

    def __init__(self, monotonic: Callable[[], float], *, most_keys: int = MOST_KEYS) -> None:
        self._monotonic = monotonic
        self._most_keys = most_keys
        # The least recently asked for stands first.
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    async def take(self, key: str, rule: Rule, cost: int = 1) -> Decision:
        return self.decide((Ask(key, rule, cost),))[0]

    async def take_all(self, asks: Sequence[Ask]) -> list[Decision]:
        return self.decide(asks)

    def decide(self, asks: Sequence[Ask]) -> list[Decision]:
        """`take_all`, without waiting for anything."""
        now = self._monotonic()
        if len(asks) == 1:
            key, rule, cost = asks[0]
            bucket = self._bucket(key, rule, now)
            if bucket.tokens >= cost:
                _spend(bucket, rule, cost, now)
                cost = 0
            return [_decision(bucket, rule, cost, now)]
        found = [(self._bucket(key, rule, now), rule, cost) for key, rule, cost in asks]
        if all(bucket.tokens >= cost for bucket, _, cost in found):
            for bucket, rule, cost in found:
                _spend(bucket, rule, cost, now)
            return [_decision(bucket, rule, 0, now) for bucket, rule, _ in found]
        return [_decision(bucket, rule, cost, now) for bucket, rule, cost in found]

    def __len__(self) -> int:
        return len(self._buckets)

    def _bucket(self, key: str, rule: Rule, now: float) -> _Bucket:
        """The bucket as it stands now, and the most recent one from now on."""
        bucket = self._buckets.pop((key, rule.name), None)
        if bucket is None:
            self._make_room(now)
            bucket = _Bucket(rule.capacity)
        elif now >= bucket.full_at:
            bucket.tokens = rule.capacity
        elif now > bucket.refills_at:
            bucket.tokens += (now - bucket.refills_at) * rule.rate
            bucket.refills_at = now
        self._buckets[key, rule.name] = bucket
        return bucket

    def _make_room(self, now: float) -> None:
        if len(self._buckets) < self._most_keys:
            return
        oldest = [key for key, _ in zip(self._buckets, range(_SWEPT), strict=False)]
        full = [key for key in oldest if self._buckets[key].full_at <= now]
        for key in full or oldest[:1]:
            del self._buckets[key]


def _spend(bucket: _Bucket, rule: Rule, cost: int, now: float) -> None:
    if bucket.full_at <= now:
        bucket.refills_at = now + rule.span
    bucket.tokens -= cost
    bucket.full_at = bucket.refills_at + (rule.capacity - bucket.tokens) / rule.rate


def _decision(bucket: _Bucket, rule: Rule, wanted: int, now: float) -> Decision:
    """How the bucket stands; `wanted` are the tokens that were asked for and not taken."""
    lacking = wanted - bucket.tokens
    retry_after = max(0.0, bucket.refills_at - now) + lacking / rule.rate if lacking > 0 else 0.0
    reset = max(0.0, bucket.full_at - now)
    return Decision(lacking <= 0, rule.capacity, int(bucket.tokens), reset, retry_after)
