"""The kept connection: what is asked together goes together, and a dead Redis holds nobody up."""

import asyncio
import time

import pytest

from malgil.storage.redis import FAULTS, ResponseError, connect
from malgil.storage.redis_wire import MOST, RedisWire
from tests.fixtures.redis import RedisServer


async def test_everybody_gets_their_own_answer_over_one_connection(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client, RedisWire(client) as wire:
        answers = await asyncio.gather(*(wire.ask("ECHO", number) for number in range(3 * MOST)))
        assert answers == [b"%d" % number for number in range(3 * MOST)]
        assert len(await client.client_list()) == 2  # the wire, and who asks this


async def test_an_error_is_its_askers_alone(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client, RedisWire(client) as wire:
        found = await asyncio.gather(wire.ask("ECHO", "a"), wire.ask("NOSUCH"), wire.ask("ECHO", "b"),
                                     return_exceptions=True)
        assert (found[0], found[2]) == (b"a", b"b")
        assert isinstance(found[1], ResponseError)


async def test_it_heals_by_itself_and_says_meanwhile_that_redis_is_away(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client, RedisWire(client) as wire:
        await wire.ask("PING")
        redis_server.kill()
        for _ in range(20):
            with pytest.raises(FAULTS):
                await wire.ask("PING")
        redis_server.start()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await wire.ask("PING") == b"PONG"
                    break
                except FAULTS:
                    await asyncio.sleep(0.02)


async def test_one_that_was_never_there_does_not_hold_up_a_start() -> None:
    async with connect("redis://127.0.0.1:1/0") as client, RedisWire(client) as wire:
        with pytest.raises(FAULTS):
            await wire.ask("PING")


async def test_who_waits_when_it_is_closed_is_let_go(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client, connect(redis_server.url) as other:
        async with RedisWire(client, silence=60) as wire:
            await other.execute_command("CLIENT", "PAUSE", "60000")
            waiting = [asyncio.create_task(wire.ask("PING")) for _ in range(5)]
            await asyncio.sleep(0.1)
            begun = time.monotonic()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(one, FAULTS) for one in found)
        assert time.monotonic() - begun < 30
