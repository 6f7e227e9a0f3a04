"""The bus between processes, over a Redis that is killed, flushed, frozen and fed with garbage."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from malgil.realtime import redis_bus
from malgil.realtime.bus import Bus, Message, session_channel
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.redis_bus import RedisBus
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.typing import Typing, typing_frame
from malgil.storage.redis import connect
from tests.fixtures.redis import RedisServer
from tests.realtime.fakes import FakeLog, eventually, note


def told(text: str) -> Message:
    return Message("test", data={"text": text})


@asynccontextmanager
async def replica(server: RedisServer) -> AsyncIterator[RedisBus]:
    async with connect(server.url) as client, RedisBus(client) as bus:
        yield bus


@pytest.fixture
async def buses(redis_server: RedisServer) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    async with replica(redis_server) as one, replica(redis_server) as two:
        yield one, two


async def numsub(server: RedisServer, channel: str) -> int:
    """How many processes Redis counts on the channel."""
    async with connect(server.url) as client:
        ((_, count),) = await client.pubsub_numsub(channel)
        return int(count)


async def reached(bus: Bus, heard: list[Message], channel: str = "c") -> None:
    """Return when what `bus` publishes arrives in `heard`; what was heard until then is forgotten."""
    async with asyncio.timeout(10):
        while told("?") not in heard:
            await bus.publish(channel, told("?"))
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    heard.clear()


async def test_replicas_hear_each_other_once_and_in_order(buses: tuple[RedisBus, RedisBus]) -> None:
    one, two = buses
    here: list[Message] = []
    there: list[Message] = []
    one.subscribe("c", here.append)
    two.subscribe("c", there.append)
    await reached(one, there)
    await reached(two, here)
    there.clear()
    entry = replace(note("s", 3, "안녕 👋"), from_seq=2, actor=None, v=2)
    sent = [Message("entries", (entry, entry), {"키": ["값", None, 1.5]}), *(told(str(i)) for i in range(1000))]
    for message in sent:
        await one.publish("c", message)
    assert here == sent, "it is heard here before Redis has answered"
    await eventually(lambda: len(there) >= len(sent))
    assert there == sent
    await asyncio.sleep(0.1)
    assert here == sent, "and not again when it comes back"
    assert one.counts()["published"] >= 1001
    assert two.counts()["received"] >= 1001
    assert two.counts()["dropped"] == 0


async def test_it_says_when_a_subscription_is_in_force_and_again_after_a_loss(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    one, two = buses
    heard: list[Message] = []
    begun: list[str] = []
    one.subscribe("c", heard.append, lambda: begun.append("c"))
    await eventually(lambda: begun == ["c"])
    await two.publish("c", Message("test"))
    await eventually(lambda: len(heard) == 1)
    redis_server.kill()
    redis_server.start()
    await eventually(lambda: begun == ["c", "c"])


async def test_it_listens_as_long_as_somebody_does(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    one, two = buses
    first, second = one.subscribe("c", lambda m: None), one.subscribe("c", lambda m: None)
    other = two.subscribe("c", lambda m: None)

    async def counted(count: int) -> None:
        for _ in range(500):
            if await numsub(redis_server, "c") == count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"Redis never counted {count}")

    await counted(2)
    first()
    other()
    await counted(1)
    second()
    await counted(0)
    again = one.subscribe("c", lambda m: None)
    again()
    one.subscribe("c", lambda m: None)
    await counted(1)


async def test_one_connection_listens_for_a_thousand_channels(redis_server: RedisServer) -> None:
    async with connect(redis_server.url) as client, replica(redis_server) as bus:

        async def open_channels(count: int) -> None:
            for _ in range(500):
                if len(await client.pubsub_channels()) == count:
                    return
                await asyncio.sleep(0.01)
            raise AssertionError(f"there were never {count} channels")

        leaving = [bus.subscribe(f"c{i}", lambda m: None) for i in range(1200)]
        await open_channels(1200)
        assert len(await client.client_list(_type="pubsub")) == 1
        for leave in leaving:
            leave()
        await open_channels(0)
        assert len(await client.client_list()) <= 3, "this one, one that listens, one that writes"


async def test_a_redis_that_dies_and_comes_back(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one, two = buses
    here: list[Message] = []
    there: list[Message] = []
    one.subscribe("c", here.append)
    two.subscribe("c", there.append)
    await reached(one, there)
    for _ in range(2):
        redis_server.kill()
        here.clear()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for i in range(100):
            await one.publish("c", told(str(i)))
        assert loop.time() - begun < 0.5, "publishing does not wait for a dead Redis"
        assert here == [told(str(i)) for i in range(100)]
        await eventually(lambda: not one._writes)
        redis_server.start()
        two.subscribe("later", there.append)
        await reached(one, there)
        await reached(two, here)
        await reached(one, there, "later")
    assert one.counts()["dropped"] >= 1
    away = [r for r in caplog.records if r.levelno == logging.WARNING and "away" in r.message]
    assert 4 <= len(away) <= 8, "once a connection and outage"


async def test_who_starts_while_redis_is_away_hears_when_it_comes(redis_server: RedisServer) -> None:
    redis_server.kill()
    async with replica(redis_server) as one, replica(redis_server) as two:
        there: list[Message] = []
        two.subscribe("c", there.append)
        redis_server.start()
        await reached(one, there)


async def test_what_others_write_on_our_channels_harms_nobody(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = buses
    there: list[Message] = []
    two.subscribe("c", there.append)
    await reached(one, there)
    good = '{"origin":"x","db":2,"kind":"k","entries":[],"data":{"n":1}}'
    async with connect(redis_server.url) as client:
        for garbage in (
            b"", b"\xff\xfe", b"{", b"[]", b"null", b'{"origin":1,"kind":"k"}',
            b'{"origin":"x","db":2,"kind":"k","data":3}',
            b'{"origin":"x","db":2,"kind":"k","entries":[{"stream":"s","seq":"many"}]}', b"x" * 1_000_000,
        ):
            await client.publish("c", garbage)
        await client.publish("c", good)
    await eventually(lambda: bool(there))
    assert there == [Message("k", data={"n": 1})]
    assert sum("no message of ours" in r.message for r in caplog.records) == 9


async def test_another_installation_on_the_same_server_is_not_heard(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    one, two = buses
    there: list[Message] = []
    two.subscribe("c", there.append)
    await reached(one, there)
    async with connect(redis_server.url.replace("/2", "/3")) as client, RedisBus(client) as foreign:
        await foreign.publish("c", told("foreign"))
        await eventually(lambda: foreign.counts()["published"] == 1)
        await one.publish("c", told("own"))
        await eventually(lambda: bool(there))
    assert there == [told("own")]


async def test_a_message_that_no_json_can_hold_stays_here(buses: tuple[RedisBus, RedisBus]) -> None:
    one, two = buses
    here: list[Message] = []
    there: list[Message] = []
    one.subscribe("c", here.append)
    two.subscribe("c", there.append)
    await reached(one, there)
    here.clear()
    odd = Message("odd", data={"a": object(), "b": "\ud800"})
    await one.publish("c", odd)
    await one.publish("c", told("next"))
    await eventually(lambda: bool(there))
    assert (here, there) == ([odd, told("next")], [told("next")])


def freeze(server: RedisServer) -> Callable[[], None]:
    """Stop the process of Redis without ending it; the returned function lets it go on."""
    assert server._process is not None
    pid = server._process.pid
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


async def test_a_redis_that_does_not_answer_costs_a_bounded_queue(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "MOST_WAITING", 100)
    monkeypatch.setattr(redis_bus, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(redis_bus, "PING_SECONDS", 0.2)
    monkeypatch.setattr(redis_bus, "SILENT_SECONDS", 0.5)
    one, two = buses
    here: list[Message] = []
    there: list[Message] = []
    one.subscribe("c", here.append)
    two.subscribe("c", there.append)
    await reached(one, there)
    here.clear()
    go_on = freeze(redis_server)
    try:
        for i in range(1000):
            await one.publish("c", told(str(i)))
        assert len(here) == 1000
        assert len(one._waiting) <= 100
        await eventually(lambda: not one._writes)
        assert one._waiting_bytes == 0
        assert one.counts()["dropped"] >= 900
    finally:
        go_on()
    await reached(one, there)


async def test_a_forgotten_redis_is_the_same_to_the_bus(
    buses: tuple[RedisBus, RedisBus], redis_server: RedisServer
) -> None:
    one, two = buses
    there: list[Message] = []
    two.subscribe("c", there.append)
    await reached(one, there)
    redis_server.flush()
    await one.publish("c", told("x"))
    await eventually(lambda: there == [told("x")])
    async with connect(redis_server.url) as client:
        await client.client_kill_filter(_type="pubsub", skipme=True)
    await reached(one, there)


async def test_entries_come_to_the_tail_of_another_replica_without_a_read(buses: tuple[RedisBus, RedisBus]) -> None:
    one, two = buses
    log = FakeLog()
    log.append("s", "a")
    async with Hub(log, two, Frames({}), interval=None) as hub, hub.watch("s") as tail:
        heard: list[Message] = []
        two.subscribe(session_channel("s"), heard.append)
        await reached(one, heard, session_channel("s"))
        reads = log.reads
        await one.publish(session_channel("s"), Message("entries", tuple(log.append("s", "b", "c"))))
        await eventually(lambda: tail.head == 3)
        assert log.reads == reads


async def test_typing_crosses_over_and_ends_with_the_process_that_said_it(redis_server: RedisServer) -> None:
    settings = replace(RealtimeSettings(), typing_seconds=0.3)
    heard: list[str] = []
    async with replica(redis_server) as two:
        theirs = Typing(two, settings)
        theirs.join("s", "c2", lambda user, frame: heard.append(frame))
        async with replica(redis_server) as one:
            mine = Typing(one, settings)
            mine.join("s", "c1", lambda user, frame: None)
            while not heard:
                await mine.say("s", "c1", "kim", is_typing=True)
                await asyncio.sleep(0.02)
        assert set(heard) == {typing_frame("kim", True)}
        await eventually(lambda: heard[-1] == typing_frame("kim", False))


async def test_garbage_about_typing_is_dropped(redis_server: RedisServer) -> None:
    async with replica(redis_server) as one, replica(redis_server) as two:
        heard: list[str] = []
        typing = Typing(two, RealtimeSettings())
        typing.join("s", "c2", lambda user, frame: heard.append(frame))
        for data in ({}, {"user_id": 3}, None):
            await one.publish("chat:typing:s", Message("typing", data=data))
        while not heard:
            await Typing(one, RealtimeSettings()).say("s", "c1", "kim", is_typing=True)
            await asyncio.sleep(0.02)
        assert set(heard) == {typing_frame("kim", True)}
