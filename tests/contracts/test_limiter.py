"""The promise of a limiter, run over every adapter."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from malgil.access.limits import Ask, Limiter, MemoryLimiter, Rule
from malgil.access.redis_limiter import RedisLimiter
from malgil.storage.redis import Redis, connect
from tests.fixtures.redis import RedisServer
from tests.fixtures.time import FakeClock

MINUTE = Rule("minute", 100)
QUICK = Rule("quick", 4, per=0.4)

Wait = Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Limiter]:
    if request.param == "memory":
        yield MemoryLimiter(clock.monotonic)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    client = connect(server.url)
    async with RedisLimiter(client, time.monotonic) as made:
        yield made
        assert not made.fallen_back
    await client.aclose()


@pytest.fixture
def wait(limiter: Limiter, clock: FakeClock) -> Wait:
    """Let so many seconds pass on the limiter's clock."""

    async def pass_by(seconds: float) -> None:
        if isinstance(limiter, MemoryLimiter):
            clock.advance(seconds)
        else:
            await asyncio.sleep(seconds)

    return pass_by


async def test_of_many_at_once_exactly_the_capacity_is_allowed(limiter: Limiter) -> None:
    decisions = await asyncio.gather(*(limiter.take("kim", MINUTE) for _ in range(150)))
    assert sum(one.allowed for one in decisions) == 100
    assert sorted(one.remaining for one in decisions if one.allowed) == list(range(100))
    assert {one.remaining for one in decisions if not one.allowed} == {0}


async def test_calls_that_take_a_while_do_not_get_more(limiter: Limiter, wait: Wait) -> None:
    rule = Rule("minute", 10, per=60)
    allowed = 0
    for _ in range(30):
        allowed += (await limiter.take("kim", rule)).allowed
        await wait(0.02 if isinstance(limiter, RedisLimiter) else 1.5)
    assert allowed == 10


async def test_keys_and_rules_are_independent(limiter: Limiter) -> None:
    one = Rule("one", 1)
    assert (await limiter.take("kim", one)).allowed
    assert not (await limiter.take("kim", one)).allowed
    assert (await limiter.take("lee", one)).allowed
    assert (await limiter.take("kim", Rule("other", 1))).allowed


async def test_a_decision_says_how_it_stands(limiter: Limiter) -> None:
    first = await limiter.take("kim", MINUTE)
    assert (first.allowed, first.limit, first.remaining, first.retry_after) == (True, 100, 99, 0)
    assert 60 <= first.reset <= 62
    await limiter.take("kim", MINUTE, 99)
    refused = await limiter.take("kim", MINUTE)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert 58 <= refused.retry_after <= 62
    assert refused.reset >= refused.retry_after


async def test_who_waits_as_told_is_let_in_again(limiter: Limiter, wait: Wait) -> None:
    for _ in range(4):
        assert (await limiter.take("kim", QUICK)).allowed
    refused = await limiter.take("kim", QUICK)
    assert not refused.allowed
    await wait(refused.retry_after + 0.005)
    assert (await limiter.take("kim", QUICK)).allowed


async def test_after_the_reset_all_of_it_is_back(limiter: Limiter, wait: Wait) -> None:
    await limiter.take("kim", QUICK, 3)
    last = await limiter.take("kim", QUICK)
    await wait(last.reset + 0.005)
    assert (await limiter.take("kim", QUICK)).remaining == 3


async def test_a_burst_comes_on_top(limiter: Limiter) -> None:
    rule = Rule("burst", 10, burst=5)
    allowed = [(await limiter.take("kim", rule)).allowed for _ in range(20)]
    assert allowed == [True] * 15 + [False] * 5


async def test_a_cost_is_taken_whole_or_not_at_all(limiter: Limiter) -> None:
    rule = Rule("cost", 10)
    assert (await limiter.take("kim", rule, 7)).remaining == 3
    assert not (await limiter.take("kim", rule, 4)).allowed
    assert (await limiter.take("kim", rule, 3)).remaining == 0
    refused = await limiter.take("lee", rule, 11)
    assert not refused.allowed
    assert math.isfinite(refused.retry_after)
    assert (await limiter.take("lee", rule, 10)).allowed


async def test_of_several_rules_all_are_taken_or_none(limiter: Limiter) -> None:
    tight, wide = Rule("tight", 2), Rule("wide", 10)
    for left in (9, 8):
        assert [one.remaining for one in await limiter.take_all([Ask("kim", tight), Ask("kim", wide)])][1] == left
    refused = await limiter.take_all([Ask("kim", tight), Ask("kim", wide)])
    assert [one.allowed for one in refused] == [False, True]
    assert (await limiter.take("kim", wide)).remaining == 7


@pytest.mark.parametrize("key", ["", "x" * 1_000_000, "김{민}수 👋", "a{b", "}{", "\x00\n", "\ud800"])
async def test_any_text_is_a_key(limiter: Limiter, key: str) -> None:
    rule = Rule("one", 1)
    assert [(await limiter.take(key, rule)).allowed for _ in range(2)] == [True, False]
    assert (await limiter.take(f"{key}-", rule)).allowed


class TestMemory:
    def test_there_are_never_more_buckets_than_agreed(self, clock: FakeClock) -> None:
        limiter = MemoryLimiter(clock.monotonic, most_keys=100)
        for number in range(1000):
            limiter.decide([Ask(f"k{number}", MINUTE)])
            clock.advance(0.01)
        assert len(limiter) == 100

    def test_full_buckets_are_forgotten_first(self, clock: FakeClock) -> None:
        limiter = MemoryLimiter(clock.monotonic, most_keys=3)
        limiter.decide([Ask("slow", Rule("hour", 1, per=3600))])
        for name in ("a", "b"):
            limiter.decide([Ask(name, QUICK)])
        clock.advance(10)
        limiter.decide([Ask("c", QUICK)])
        assert not limiter.decide([Ask("slow", Rule("hour", 1, per=3600))])[0].allowed

    def test_after_the_span_tokens_come_back_one_by_one(self, clock: FakeClock) -> None:
        limiter = MemoryLimiter(clock.monotonic)
        rule = Rule("minute", 60)
        limiter.decide([Ask("kim", rule, 60)])
        clock.advance(60.5)
        assert not limiter.decide([Ask("kim", rule)])[0].allowed
        clock.advance(0.5)
        assert limiter.decide([Ask("kim", rule)])[0].allowed
        clock.advance(30)
        assert limiter.decide([Ask("kim", rule)])[0].remaining == 29


class TestRedis:
    @pytest.fixture
    async def clients(self, redis_server: RedisServer) -> AsyncIterator[list[Redis]]:
        made = [connect(redis_server.url) for _ in range(3)]
        yield made
        for one in made:
            await one.aclose()

    @pytest.fixture
    async def shared(self, clients: list[Redis]) -> AsyncIterator[RedisLimiter]:
        async with RedisLimiter(clients[0], time.monotonic) as made:
            yield made

    async def test_three_processes_count_together(self, clients: list[Redis]) -> None:
        async with AsyncExitStack() as stack:
            limiters = [await stack.enter_async_context(RedisLimiter(one, time.monotonic)) for one in clients]
            decisions = await asyncio.gather(*(limiters[n % 3].take("kim", MINUTE) for n in range(150)))
        assert sum(one.allowed for one in decisions) == 100

    async def test_one_round_trip_however_many_rules(self, shared: RedisLimiter, clients: list[Redis]) -> None:
        await shared.take("kim", MINUTE)
        await clients[0].config_resetstat()
        await shared.take_all([Ask("kim", Rule(f"r{n}", 5)) for n in range(8)])
        asked = await clients[0].info("commandstats")
        assert asked["cmdstat_evalsha"]["calls"] == 1
        assert "cmdstat_eval" not in asked

    async def test_it_remembers_little_and_not_for_ever(self, shared: RedisLimiter, clients: list[Redis]) -> None:
        rule = Rule("wide", 1_000_000, per=0.6)
        for _ in range(300):
            await shared.take("kim", rule)
            await asyncio.sleep(0.004)
        (key,) = await clients[0].keys("malgil:limit:*")
        assert await clients[0].hlen(key) <= 62
        assert 0 < await clients[0].pttl(key) <= 700

    async def test_scripts_that_redis_forgot_are_taught_again(
        self, shared: RedisLimiter, clients: list[Redis]
    ) -> None:
        await shared.take("kim", MINUTE)
        await clients[0].script_flush()
        assert (await shared.take("kim", MINUTE)).remaining == 98
        assert not shared.fallen_back

    async def test_a_dead_redis_opens_no_gate_and_closes_none(
        self, shared: RedisLimiter, redis_server: RedisServer
    ) -> None:
        rule = Rule("minute", 10)
        assert [(await shared.take("kim", rule)).allowed for _ in range(6)] == [True] * 6
        redis_server.kill()
        # What this process had let through counts on.
        assert [(await shared.take("kim", rule)).allowed for _ in range(10)] == [True] * 4 + [False] * 6
        assert shared.fallen_back
        assert (await shared.take("lee", rule)).allowed
        redis_server.start()
        async with asyncio.timeout(10):
            while shared.fallen_back:
                assert (await shared.take("mina", Rule("wide", 1_000_000))).allowed
                await asyncio.sleep(0.02)
        assert (await shared.take("kim", rule)).remaining == 9

    async def test_a_redis_that_was_started_again_is_not_away(
        self, shared: RedisLimiter, redis_server: RedisServer
    ) -> None:
        await shared.take("kim", MINUTE)
        redis_server.kill()
        redis_server.start()
        assert (await shared.take("kim", MINUTE)).remaining == 99
        assert not shared.fallen_back

    async def test_a_silent_redis_is_waited_for_once(self, clients: list[Redis]) -> None:
        async with RedisLimiter(clients[0], time.monotonic, silence=0.5) as limiter:
            await clients[1].execute_command("CLIENT", "PAUSE", "60000")
            begun = time.monotonic()
            crowd = await asyncio.gather(*(limiter.take("kim", Rule("minute", 10)) for _ in range(600)))
            assert sum(one.allowed for one in crowd) == 10
            waited = time.monotonic() - begun
            begun = time.monotonic()
            for _ in range(50):
                assert not (await limiter.take("kim", Rule("minute", 10))).allowed
            assert time.monotonic() - begun < waited

    async def test_its_own_stalls_are_not_taken_for_a_silent_redis(self, clients: list[Redis]) -> None:
        async with RedisLimiter(clients[0], time.monotonic, silence=0.2) as limiter:

            loop = asyncio.get_running_loop()
            crowd = asyncio.gather(*(limiter.take("kim", MINUTE) for _ in range(150)))
            for number in range(3):
                loop.call_later(0.001 * number, time.sleep, 0.3)
            await crowd
            assert sum(one.allowed for one in crowd.result()) == 100
            assert not limiter.fallen_back

    async def test_who_goes_away_while_waiting_disturbs_nobody(self, shared: RedisLimiter) -> None:
        tasks = [asyncio.create_task(shared.take("kim", MINUTE)) for _ in range(20)]
        await asyncio.sleep(0)
        for one in tasks[::2]:
            one.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
        assert (await shared.take("kim", MINUTE)).allowed
        assert not shared.fallen_back
