"""The promise of presence, run over every adapter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from malgil.kit import json
from malgil.realtime.bus import MemoryBus
from malgil.realtime.presence import MOST_NAMED, MemoryPresence, Presence
from malgil.realtime.redis_presence import RedisPresence
from malgil.storage.redis import connect
from tests.fixtures.redis import RedisServer
from tests.realtime.fakes import eventually


@dataclass(eq=False)
class Person:
    """A connection that writes down whom it was told of."""

    user_id: str
    id: str = "conn_1"
    heard: list[list[str]] = field(default_factory=list)
    total: int | None = None

    def hear_presence(self, frame: str) -> None:
        read = json.loads(frame)
        assert read["type"] == "presence"
        self.total = read.get("total")
        self.heard.append(read["users"])

    async def knows(self, *users: str) -> None:
        await eventually(lambda: bool(self.heard) and self.heard[-1] == sorted(users))


@asynccontextmanager
async def memory() -> AsyncIterator[Presence]:
    yield MemoryPresence()


@asynccontextmanager
async def redis(server: RedisServer) -> AsyncIterator[Presence]:
    async with connect(server.url) as client, RedisPresence(client, MemoryBus()) as opened:
        yield opened


@asynccontextmanager
async def redis_is_dead(server: RedisServer) -> AsyncIterator[Presence]:
    server.kill()
    async with redis(server) as opened:
        yield opened


@pytest.fixture(params=[memory, redis, redis_is_dead])
async def presence(request: pytest.FixtureRequest) -> AsyncIterator[Presence]:
    needs = () if request.param is memory else (request.getfixturevalue("redis_server"),)
    async with request.param(*needs) as opened:
        yield opened


async def test_who_comes_hears_of_all_and_all_hear_of_who_comes(presence: Presence) -> None:
    kim, lee = Person("kim"), Person("이몽룡")
    presence.join("s", kim)
    await kim.knows("kim")
    presence.join("s", lee)
    await lee.knows("kim", "이몽룡")
    await kim.knows("kim", "이몽룡")
    presence.leave("s", lee)
    await kim.knows("kim")
    assert lee.heard[-1] == ["kim", "이몽룡"], "who has left hears nothing more"


async def test_a_second_tab_is_told_and_tells_nobody(presence: Presence) -> None:
    kim, tab, lee = Person("kim"), Person("kim", "conn_2"), Person("lee", "conn_3")
    presence.join("s", kim)
    presence.join("s", lee)
    await kim.knows("kim", "lee")
    await lee.knows("kim", "lee")
    before = len(kim.heard), len(lee.heard)
    presence.join("s", tab)
    await tab.knows("kim", "lee")
    presence.leave("s", kim)
    await asyncio.sleep(0.15)
    assert (len(kim.heard), len(lee.heard)) == before
    presence.leave("s", tab)
    await lee.knows("lee")


async def test_sessions_do_not_mix(presence: Presence) -> None:
    kim, lee = Person("kim"), Person("lee")
    presence.join("s", kim)
    presence.join("t", lee)
    await kim.knows("kim")
    await lee.knows("lee")


async def test_who_loads_the_page_again_is_not_seen_to_leave(presence: Presence) -> None:
    kim, lee, again = Person("kim"), Person("lee"), Person("lee", "conn_2")
    presence.join("s", kim)
    presence.join("s", lee)
    await kim.knows("kim", "lee")
    before = len(kim.heard)
    presence.leave("s", lee)
    presence.join("s", again)
    await again.knows("kim", "lee")
    await asyncio.sleep(0.15)
    assert len(kim.heard) == before


async def test_leaving_twice_or_without_coming_does_no_harm(presence: Presence) -> None:
    kim, lee = Person("kim"), Person("lee")
    presence.join("s", kim)
    presence.leave("s", lee)
    presence.leave("nowhere", lee)
    presence.leave("s", kim)
    presence.leave("s", kim)
    again = Person("kim")
    presence.join("s", again)
    await again.knows("kim")


async def test_a_crowd_is_counted_and_not_named_in_full(presence: Presence) -> None:
    crowd = [Person(f"u{i:04}", f"conn_{i}") for i in range(MOST_NAMED + 100)]
    for one in crowd:
        presence.join("s", one)
    await eventually(lambda: all(one.total == MOST_NAMED + 100 for one in crowd))
    assert crowd[-1].heard[-1] == [f"u{i:04}" for i in range(MOST_NAMED)]
    assert max(len(one.heard) for one in crowd) <= 4, "a crowd that comes at once is told now and then"
