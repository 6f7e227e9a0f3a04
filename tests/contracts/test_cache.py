"""The promise of the cache, alone, over a Redis, and over one that is dead; and of its second level."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from malgil.kit.clock import SystemClock
from malgil.storage.cache import Cache, SecondLevel
from malgil.storage.redis import connect
from malgil.storage.redis_cache import RedisCache
from tests.fixtures.redis import RedisServer
from tests.realtime.fakes import eventually


class Source:
    """What is cached: counts how often it is asked."""

    def __init__(self, value: Any = 0) -> None:
        self.value = value
        self.asked = 0
        self.gate: Callable[[], Awaitable[Any]] | None = None

    async def __call__(self) -> Any:
        self.asked += 1
        read = self.value
        if self.gate is not None:
            await self.gate()
        if isinstance(read, Exception):
            raise read
        return read


@asynccontextmanager
async def alone() -> AsyncIterator[SecondLevel | None]:
    yield None


@asynccontextmanager
async def redis(server: RedisServer) -> AsyncIterator[SecondLevel | None]:
    async with connect(server.url) as client:
        yield RedisCache(client)


@asynccontextmanager
async def redis_is_dead(server: RedisServer) -> AsyncIterator[SecondLevel | None]:
    server.kill()
    async with redis(server) as second:
        yield second


@pytest.fixture(params=[alone, redis, redis_is_dead])
async def second(request: pytest.FixtureRequest) -> AsyncIterator[SecondLevel | None]:
    needs = () if request.param is alone else (request.getfixturevalue("redis_server"),)
    async with request.param(*needs) as opened:
        yield opened


@pytest.fixture
def cache(second: SecondLevel | None) -> Cache:
    return Cache(SystemClock(), second)


async def test_what_was_loaded_is_not_loaded_again(cache: Cache) -> None:
    source = Source({"이름": "김", "n": [1, None, 2.5]})
    for _ in range(3):
        assert await cache.get("k", 60, source) == {"이름": "김", "n": [1, None, 2.5]}
    assert source.asked == 1
    assert cache.counts() == {"first": 2, "second": 0, "missed": 1}


async def test_a_value_is_the_same_from_wherever_it_comes(cache: Cache) -> None:
    assert await cache.get("k", 60, Source(("a", None))) == ["a", None]
    assert await cache.get("none", 60, Source(None)) is None
    nothing = Source(1)
    assert await cache.get("none", 60, nothing) is None, "nothing is a value too"
    assert nothing.asked == 0


async def test_a_hundred_at_once_load_once(cache: Cache) -> None:
    source = Source("v")
    source.gate = lambda: asyncio.sleep(0.05)
    found = await asyncio.gather(*(cache.get("k", 60, source) for _ in range(100)))
    assert (found, source.asked) == (["v"] * 100, 1)


async def test_a_failed_load_fails_those_who_wait_and_is_not_kept(cache: Cache) -> None:
    source = Source(ZeroDivisionError("mine"))
    found = await asyncio.gather(*(cache.get("k", 60, source) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [ZeroDivisionError] * 3
    source.value = "well"
    assert await cache.get("k", 60, source) == "well"
    assert source.asked == 2


async def test_who_goes_away_takes_nothing_from_those_who_wait(cache: Cache) -> None:
    source = Source("v")
    release = asyncio.Event()
    source.gate = release.wait
    first = asyncio.create_task(cache.get("k", 60, source))
    await eventually(lambda: source.asked > 0)
    other = asyncio.create_task(cache.get("k", 60, source))
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert await other == "v"


async def test_after_a_drop_it_is_loaded_again(cache: Cache) -> None:
    source = Source("old")
    await cache.get("k", 60, source)
    source.value = "new"
    await cache.drop("k")
    await cache.drop("never there")
    assert await cache.get("k", 60, source) == "new"


async def test_what_was_read_before_a_drop_is_not_kept_after_it(cache: Cache, second: SecondLevel | None) -> None:
    source = Source("old")
    release = asyncio.Event()
    source.gate = release.wait
    reading = asyncio.create_task(cache.get("k", 60, source))
    await eventually(lambda: source.asked > 0)
    source.value, source.gate = "new", None
    await cache.drop("k")
    assert await cache.get("k", 60, source) == "new", "it does not wait for the old one"
    release.set()
    assert await reading == "old"
    assert await cache.get("k", 60, source) == "new"
    assert await Cache(SystemClock(), second).get("k", 60, source) == "new"


async def test_a_value_lives_as_long_as_it_may(cache: Cache) -> None:
    source = Source(1)
    await cache.get("k", 0.05, source)
    source.value = 2
    await asyncio.sleep(0.1)
    assert await cache.get("k", 0.05, source) == 2


async def test_the_least_used_is_forgotten_first(second: SecondLevel | None) -> None:
    cache = Cache(SystemClock(), second, most=2)
    for key in ("a", "b", "a", "c", "a"):
        await cache.get(key, 60, Source(key))
    assert list(cache._kept) == ["c", "a"]


async def test_a_drop_is_told(second: SecondLevel | None) -> None:
    told: list[str] = []

    async def tell(key: str) -> None:
        told.append(key)

    await Cache(SystemClock(), second, tell=tell).drop("k")
    assert told == ["k"]


# Two processes with one Redis.


async def test_one_loads_for_the_other_and_hears_of_drops(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client:
        one = Cache(SystemClock(), RedisCache(client))
        two = Cache(SystemClock(), RedisCache(client))
        source = Source("old")
        assert await one.get("k", 60, source) == await two.get("k", 60, source) == "old"
        assert source.asked == 1
        assert two.counts()["second"] == 1
        assert 58_000 < await client.pttl("cache:k") <= 60_000
        source.value = "new"
        await one.drop("k")
        two.forget("k")
        assert await two.get("k", 60, source) == await one.get("k", 60, source) == "new"


async def test_a_redis_that_dies_and_comes_back(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("malgil.storage.redis_cache.REST_SECONDS", 0.05)
    async with connect(redis_server.url) as client:
        second = RedisCache(client)
        await second.put("k", b"1", 60)
        assert await second.get("k") == b"1"
        redis_server.kill()
        for _ in range(3):
            assert await second.get("k") is None
            await second.put("k", b"2", 60)
            await second.drop("k")
            await asyncio.sleep(0.06)
        assert caplog.text.count("Redis is away") == 1
        redis_server.start()
        await asyncio.sleep(0.06)
        await second.put("k", b"3", 60)
        assert await second.get("k") == b"3"
        redis_server.flush()
        assert await second.get("k") is None


async def test_garbage_in_the_second_level_is_loaded_over(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client:
        await client.set("cache:k", b"{not json")
        assert await Cache(SystemClock(), RedisCache(client)).get("k", 60, Source("v")) == "v"
        await client.lpush("cache:list", "x")
        assert await Cache(SystemClock(), RedisCache(client)).get("list", 60, Source("v")) == "v"
