"""The promise of a bus, run over every adapter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from malgil.log.model import Entry
from malgil.realtime.bus import Bus, MemoryBus, Message, presence_channel, session_channel, typing_channel, user_channel
from malgil.realtime.redis_bus import RedisBus
from malgil.storage.redis import connect
from tests.fixtures.redis import RedisServer
from tests.realtime.fakes import eventually


@asynccontextmanager
async def memory() -> AsyncIterator[Bus]:
    yield MemoryBus()


@asynccontextmanager
async def redis(server: RedisServer) -> AsyncIterator[Bus]:
    async with connect(server.url) as client, RedisBus(client) as opened:
        yield opened


@asynccontextmanager
async def redis_is_dead(server: RedisServer) -> AsyncIterator[Bus]:
    server.kill()
    async with redis(server) as opened:
        yield opened


@pytest.fixture(params=[memory, redis, redis_is_dead])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    needs = () if request.param is memory else (request.getfixturevalue("redis_server"),)
    async with request.param(*needs) as opened:
        yield opened


async def arrive(heard: list[Message], count: int) -> None:
    """Wait until so many messages were heard: an adapter may take its time."""
    await eventually(lambda: len(heard) >= count)


def told(text: str) -> Message:
    return Message("test", data={"text": text})


async def test_a_listener_hears_the_payload_as_it_was_sent(bus: Bus) -> None:
    heard: list[Message] = []
    bus.subscribe("c", heard.append)
    data = {"content": "안녕 👋\n", "n": [1, None, 2.5]}
    entry = Entry("s", 7, 5, "message.created", data, datetime.now(UTC), "kim", 2)
    sent = Message("entries", (entry,), {"키": "값"})
    await bus.publish("c", sent)
    await arrive(heard, 1)
    assert heard == [sent]


async def test_messages_of_a_channel_come_in_order_to_every_listener(bus: Bus) -> None:
    one: list[Message] = []
    two: list[Message] = []
    bus.subscribe("c", one.append)
    bus.subscribe("c", two.append)
    for i in range(50):
        await bus.publish("c", told(str(i)))
    await arrive(one, 50)
    await arrive(two, 50)
    assert one == two == [told(str(i)) for i in range(50)]


async def test_channels_do_not_mix(bus: Bus) -> None:
    heard: list[Message] = []
    bus.subscribe("mine", heard.append)
    await bus.publish("other", told("no"))
    await bus.publish("mine", told("yes"))
    await arrive(heard, 1)
    assert heard == [told("yes")]


async def test_what_nobody_hears_is_gone(bus: Bus) -> None:
    await bus.publish("c", told("before"))
    heard: list[Message] = []
    bus.subscribe("c", heard.append)
    await bus.publish("c", told("after"))
    await arrive(heard, 1)
    assert heard == [told("after")]


async def test_who_has_left_hears_nothing_and_may_leave_again(bus: Bus) -> None:
    left: list[Message] = []
    stays: list[Message] = []
    leave = bus.subscribe("c", left.append)
    bus.subscribe("c", stays.append)
    leave()
    leave()
    await bus.publish("c", told("x"))
    await arrive(stays, 1)
    assert left == []


async def test_the_same_listener_may_subscribe_twice_and_leave_once(bus: Bus) -> None:
    heard: list[Message] = []
    leave = bus.subscribe("c", heard.append)
    bus.subscribe("c", heard.append)
    await bus.publish("c", told("twice"))
    await arrive(heard, 2)
    leave()
    await bus.publish("c", told("once"))
    await arrive(heard, 3)
    assert heard == [told("twice"), told("twice"), told("once")]


async def test_a_failing_listener_harms_neither_the_publisher_nor_the_others(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: Message) -> None:
        raise RuntimeError("mine alone")

    heard: list[Message] = []
    bus.subscribe("c", fail)
    bus.subscribe("c", heard.append)
    await bus.publish("c", told("x"))
    await arrive(heard, 1)
    assert "mine alone" in caplog.text


async def test_a_listener_may_leave_while_it_is_being_called(bus: Bus) -> None:
    heard: list[Message] = []
    others: list[Message] = []

    def once(message: Message) -> None:
        heard.append(message)
        leave()

    leave = bus.subscribe("c", once)
    bus.subscribe("c", others.append)
    await bus.publish("c", told("1"))
    await bus.publish("c", told("2"))
    await arrive(others, 2)
    assert heard == [told("1")]


def test_the_names_of_the_channels_are_fixed() -> None:
    assert session_channel("s") == "chat:session:s"
    assert user_channel("u") == "chat:user:u"
    assert typing_channel("s") == "chat:typing:s"
    assert presence_channel("s") == "chat:presence:s"
