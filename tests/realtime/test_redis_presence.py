"""Presence over several processes, of which one dies, and a Redis that dies, too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from malgil.realtime.redis_bus import RedisBus
from malgil.realtime.redis_presence import Leases, RedisPresence
from malgil.storage.redis import connect
from tests.contracts.test_presence import Person
from tests.fixtures.redis import RedisServer
from tests.realtime.fakes import eventually

SOON = Leases(member=1.0, renew=0.3, record=300, record_renew=0.3)
LATE = Leases(member=300.0, renew=300.0, record=300, record_renew=300.0)


@asynccontextmanager
async def replica(server: RedisServer, leases: Leases | None = None) -> AsyncIterator[RedisPresence]:
    async with connect(server.url) as client, RedisBus(client) as bus, RedisPresence(client, bus, leases) as presence:
        yield presence


async def test_who_is_elsewhere_is_present_too(redis_server: RedisServer) -> None:
    kim, lee, tab = Person("kim"), Person("이:몽룡", "conn_2"), Person("kim", "conn_3")
    async with replica(redis_server, LATE) as one, replica(redis_server, LATE) as two:
        one.join("s", kim)
        await kim.knows("kim")
        two.join("s", lee)
        await lee.knows("kim", "이:몽룡")
        await kim.knows("kim", "이:몽룡")
        two.join("s", tab)
        one.leave("s", kim)
        await asyncio.sleep(0.3)
        assert lee.heard[-1] == ["kim", "이:몽룡"], "kim is still there, on the other replica"
        two.leave("s", tab)
        await lee.knows("이:몽룡")


async def test_who_stops_in_order_is_gone_at_once(redis_server: RedisServer) -> None:
    kim, lee = Person("kim"), Person("lee", "conn_2")
    async with replica(redis_server, LATE) as one:
        one.join("s", kim)
        async with replica(redis_server, LATE) as two:
            two.join("s", lee)
            await kim.knows("kim", "lee")
            two.leave("s", lee)
        await kim.knows("kim")


async def test_a_process_that_dies_is_noticed(redis_server: RedisServer) -> None:
    kim, lee = Person("kim"), Person("lee", "conn_2")
    async with replica(redis_server, SOON) as one, replica(redis_server, SOON) as two:
        one.join("s", kim)
        two.join("s", lee)
        await kim.knows("kim", "lee")
        await asyncio.sleep(1.5)
        assert kim.heard[-1] == ["kim", "lee"], "it was renewed"
        task = two._task
        assert task is not None
        task.cancel()  # as good as dead: it renews nothing any more
        await eventually(task.done)
        await kim.knows("kim")


async def test_a_redis_that_is_started_again_or_flushed_learns_everything_anew(redis_server: RedisServer) -> None:
    kim, lee, cho = Person("kim"), Person("lee", "conn_2"), Person("cho", "conn_3")
    async with replica(redis_server, SOON) as one, replica(redis_server, SOON) as two:
        one.join("s", kim)
        two.join("s", lee)
        await kim.knows("kim", "lee")
        redis_server.kill()
        two.join("s", cho)
        await cho.knows("cho", "kim", "lee")
        await eventually(lambda: kim.heard[-1] == ["kim"])
        redis_server.start()
        await kim.knows("kim", "lee", "cho")
        await cho.knows("kim", "lee", "cho")
        redis_server.flush()
        await asyncio.sleep(1.0)
        two.leave("s", cho)
        await kim.knows("kim", "lee")


async def test_the_records_of_connections(redis_server: RedisServer) -> None:
    kim, tab = Person("kim"), Person("kim", "conn_2")
    async with connect(redis_server.url) as client:

        async def record() -> set[bytes]:
            return set(await client.zrange("ws:connections:kim", 0, -1))

        async def becomes(*expected: bytes) -> None:
            for _ in range(300):
                if await record() == set(expected):
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(await record())

        async with replica(redis_server, SOON) as one:
            one.join("s", kim)
            one.join("t", tab)
            await becomes(b"conn_1 s", b"conn_2 t")
            assert 290 <= await client.ttl("ws:connections:kim") <= 300
            assert 290 <= await client.ttl("ws:sessions:s") <= 300
            await client.expire("ws:connections:kim", 10)
            for _ in range(300):
                if await client.ttl("ws:connections:kim") > 290:
                    break
                await asyncio.sleep(0.01)
            assert await client.ttl("ws:connections:kim") > 290, "renewed"
            redis_server.flush()
            await becomes(b"conn_1 s", b"conn_2 t")
            one.leave("t", tab)
            await becomes(b"conn_1 s")
            one.leave("s", kim)
        await becomes()
        assert await client.exists("ws:sessions:s") == 0


async def test_five_thousand_sessions(redis_server: RedisServer) -> None:
    here = [Person("kim", f"conn_{i}") for i in range(5000)]
    async with replica(redis_server, SOON) as one, replica(redis_server, SOON) as two:
        for i, person in enumerate(here):
            one.join(f"s{i}", person)
        lee = Person("lee", "conn_lee")
        two.join("s4999", lee)
        await eventually(lambda: all(person.heard for person in here), seconds=20)
        await lee.knows("kim", "lee")
        await here[-1].knows("kim", "lee")
