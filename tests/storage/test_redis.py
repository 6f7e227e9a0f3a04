"""The client of Redis: what it does when Redis dies, is frozen, or is asked by too many."""

import asyncio
import os
import signal
import time

import pytest

from malgil.storage.redis import FAULTS, connect, ping, side_connection
from tests.fixtures.redis import RedisServer


async def test_it_answers_and_keeps_no_more_connections_than_it_may(redis_server: RedisServer) -> None:
    async with connect(redis_server.url, max_connections=5, pool_size=2) as client:
        await ping(client)
        await asyncio.gather(*(client.incr("n") for _ in range(200)))
        assert await client.get("n") == b"200"
        assert len(await client.client_list()) <= 2


async def test_a_dead_redis_is_a_fault_and_a_new_one_answers_at_the_first_command(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client:
        await ping(client)
        redis_server.kill()
        with pytest.raises(FAULTS):
            await ping(client)
        with pytest.raises(FAULTS):
            await side_connection(client)
        redis_server.start()
        await ping(client)
        redis_server.kill()
        redis_server.start()
        await client.set("a", "b")


async def test_a_frozen_redis_is_a_fault_soon(redis_server: RedisServer) -> None:
    assert redis_server._process is not None
    pid = redis_server._process.pid
    async with connect(redis_server.url) as client:
        await ping(client)
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(FAULTS):
                await ping(client)
            with pytest.raises(FAULTS):
                await side_connection(client)
            assert time.monotonic() - begun < 10
        finally:
            os.kill(pid, signal.SIGCONT)
        await ping(client)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://nowhere.invalid:6379/0", "unix:///nowhere.sock"])
async def test_a_redis_that_never_was_is_a_fault(url: str) -> None:
    async with connect(url) as client:
        with pytest.raises(FAULTS):
            await ping(client)
