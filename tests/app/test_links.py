"""What ties processes together: nothing, or a Redis that nobody pays for who has none."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Any

import pytest

from malgil.app.links import DROPPED, Links, open_cache, open_links
from malgil.app.settings import Settings
from malgil.kit.clock import SystemClock
from malgil.observe.metrics import Metrics
from malgil.realtime.bus import MemoryBus, Message
from malgil.realtime.presence import MemoryPresence
from tests.fixtures.redis import RedisServer


class Source:
    """What is cached; counts how often it is asked."""

    asked = 0

    async def __call__(self) -> Any:
        self.asked += 1
        return self.asked


async def opened(server: RedisServer, stack: AsyncExitStack, metrics: Metrics | None = None) -> Links:
    return await open_links(Settings(redis_url=server.url), stack, metrics or Metrics("1"))


async def test_without_redis_a_process_is_by_itself() -> None:
    async with AsyncExitStack() as stack:
        links = await open_links(Settings(), stack, Metrics("1"))
        assert (type(links.bus), links.redis, links.ping) == (MemoryBus, None, None)


def test_the_library_is_loaded_by_those_who_need_it() -> None:
    asked = "import sys, malgil.app.serve; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


@pytest.mark.parametrize("alive", [True, False])
async def test_a_process_opens_and_closes_whether_redis_answers_or_not(redis_server: RedisServer, alive: bool) -> None:
    if not alive:
        redis_server.kill()
    async with AsyncExitStack() as stack:
        metrics = Metrics("1")
        links = await opened(redis_server, stack, metrics)
        assert links.ping is not None
        assert b'malgil_bus_messages_total{' in metrics.text()


async def test_what_one_drops_the_other_forgets(redis_server: RedisServer) -> None:
    async with AsyncExitStack() as stack:
        links = [await opened(redis_server, stack) for _ in range(2)]
        one, two = (open_cache(each, SystemClock(), Metrics("1")) for each in links)
        source = Source()
        assert await one.get("k", 60, source) == await two.get("k", 60, source) == 1
        heard: list[Message] = []
        links[1].bus.subscribe(DROPPED, heard.append)
        while not heard:  # until the other listens a drop may be missed
            await one.drop("k")
            await asyncio.sleep(0.02)
        assert await two.get("k", 60, source) == 2


async def test_alone_a_drop_is_heard_by_oneself() -> None:
    metrics = Metrics("1")
    cache = open_cache(Links(MemoryBus(), MemoryPresence()), SystemClock(), metrics)
    source = Source()
    await cache.get("k", 60, source)
    await cache.drop("k")
    assert await cache.get("k", 60, source) == 2
    assert 'malgil_cache_reads_total{level="missed"} 2.0' in metrics.text().decode()
