"""The Socket.IO contract, with a real server and the Python client that people use (realtime.md)."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from malgil.kit.errors import Conflict, Forbidden, NotFound, RateLimited
from malgil.realtime.errors import Gone
from tests.realtime.fakes import QUICK, World, eventually, frame, frames
from tests.realtime.socketio_fakes import WAYS, opened, person


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with opened() as served:
        yield served


@pytest.mark.parametrize("way", WAYS)
async def test_a_new_connection_is_live_from_now(world: World, way: tuple[str, ...]) -> None:
    world.log.append("s", "old")
    async with person(world, {"session_id": "s"}, *way) as kim:
        connected = await kim.next()
        assert connected.pop("connection_id").startswith("conn_")
        assert connected == {"type": "connected", "session_id": "s", "cursor": "e1.1", "heartbeat_interval": 30}
        await world.say("s", "new")
        assert (await kim.next())["seq"] == 2
        for n in range(3, 40):
            await world.say("s", "more")
            assert (await kim.next())["seq"] == n
    await eventually(lambda: world.ward.sockets == 0)
    assert world.hub.sessions == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("cursor", ["start", "e1.0", "e1.3", "e1.5"])
async def test_resuming_gives_exactly_the_rest(world: World, way: tuple[str, ...], cursor: str) -> None:
    world.log.append("s", *"abcde")
    begin = 0 if cursor == "start" else int(cursor[3:])
    async with person(world, {"session_id": "s", "after": cursor}, *way) as kim:
        found = await kim.until("live")
        assert [name for name, _ in found] == ["connected", *["system"] * (5 - begin), "live"]
        assert [frame["seq"] for _, frame in found[1:-1]] == list(range(begin + 1, 6))
        assert found[0][1]["cursor"] == f"e1.{begin}"


async def test_too_long_a_replay_is_a_snapshot() -> None:
    async with opened(replace(QUICK, replay_entries=10)) as world:
        world.log.append("s", *["x"] * 11)
        async with person(world, {"session_id": "s", "after": "start"}) as kim:
            assert [name for name, _ in await kim.until("live")] == ["connected", "snapshot", "live"]


async def test_a_long_replay_comes_whole(world: World) -> None:
    world.log.append("s", *["x" * 200] * 1200)
    for way in WAYS:
        async with person(world, {"session_id": "s", "after": "start"}, *way) as kim:
            found = await kim.until("live")
            assert [frame["seq"] for _, frame in found[1:-1]] == list(range(1, 1201))


@pytest.mark.parametrize("after", ["nonsense", "", 7, ["e1.1"], True])
async def test_what_is_no_cursor_is_an_error_and_the_connection_lives(world: World, after: Any) -> None:
    async with person(world, {"session_id": "s", "after": after}) as kim:
        assert (await kim.next())["type"] == "connected"
        assert (await kim.next())["code"] == "INVALID_MESSAGE"
        await kim.client.emit("ping")
        assert await kim.next() == {"type": "pong"}


@pytest.mark.parametrize("way", WAYS)
async def test_the_acknowledgement_of_a_message_says_where_it_stands(world: World, way: tuple[str, ...]) -> None:
    async with person(world, {"session_id": "s"}, *way) as kim:
        await kim.until("connected")
        ack = await kim.call("message", {"content": "안녕", "client_message_id": "m1"})
        assert ack == {"client_message_id": "m1", "message_id": "msg_1", "seq": 1, "duplicate": False}
        assert (await kim.next())["text"] == "안녕"
        ack = await kim.call("message", {"type": "message", "content": "again"})
        assert ack.pop("client_message_id").startswith("sio_")
        assert ack == {"message_id": "msg_2", "seq": 2, "duplicate": False}
        await kim.client.emit("message", {"content": "third", "client_message_id": "m3"})
        found = await kim.until("ack")
        assert found[-1][1]["client_message_id"] == "m3"
        await kim.client.emit("message", {"content": "fourth"})
        assert await kim.call("stop") == {}
        received = [frame.get("content", frame["type"]) for frame in world.gate.received]
        assert received == ["안녕", "again", "third", "fourth", "stop"]


async def test_a_refused_message_is_refused_in_its_acknowledgement(world: World) -> None:
    later = RateLimited("Later.", retry_after=2)
    world.gate.refusals = {"no": Forbidden("Not you."), "slow": later, "x": Conflict("-")}
    async with person(world, {"session_id": "s"}) as kim:
        await kim.until("connected")
        refused = {"code": "FORBIDDEN", "message": "Not you.", "client_message_id": "m1"}
        assert await kim.call("message", {"content": "no", "client_message_id": "m1"}) == {"error": refused}
        assert (await kim.call("message", {"content": "slow"}))["error"]["retry_after"] == 2000
        assert (await kim.call("message", {"contnt": "?"}))["error"]["code"] == "INVALID_MESSAGE"
        assert (await kim.call("read", {"seq": "x"}))["error"]["code"] == "INVALID_MESSAGE"
        await kim.client.emit("message", {"content": "x"})
        assert (await kim.next())["code"] == "BUSY"


async def test_typing_is_heard_by_the_others_whatever_they_speak(world: World) -> None:
    async with person(world, {"session_id": "s", "token": "kim"}) as kim, world.connect("s", "?token=lee") as lee:
        await kim.until("connected")
        await frames(lee, "connected")
        await kim.client.emit("typing", {"is_typing": True})
        assert await frame(lee) == {"type": "typing", "user_id": "kim", "is_typing": True}
        await lee.send('{"type":"typing","is_typing":true}')
        assert await kim.next() == {"type": "typing", "user_id": "lee", "is_typing": True}


async def test_who_may_only_watch_does_not_type(world: World) -> None:
    world.gate.read_only = True
    async with person(world, {"session_id": "s"}) as kim:
        await kim.until("connected")
        await kim.client.emit("typing", {"is_typing": True})
        assert (await kim.next())["code"] == "FORBIDDEN"
        assert (await kim.call("typing", {"is_typing": True}))["error"]["code"] == "FORBIDDEN"


async def test_resume_replays_on_the_connection(world: World) -> None:
    world.log.append("s", *"abc")
    async with person(world, {"session_id": "s"}) as kim:
        await kim.until("connected")
        await kim.client.emit("resume", {"after": "e1.1"})
        assert [frame.get("seq") for _, frame in await kim.until("live")] == [2, 3, None]


REFUSALS = [
    ({"session_id": "s", "token": "bad"}, 4401), ({"session_id": "s", "token": 7}, 4401),
    ({"session_id": "sess_unknown"}, 4404), ({}, 4404), (None, 4404), ("s", 4404), (["s"], 4404),
    ({"session_id": 7}, 4404), ({"session_id": ""}, 4404), ({"session_id": "x" * 500}, 4404),
    ({"session_id": "s", "after": "old.1"}, 4002),
]


@pytest.mark.parametrize(("auth", "code"), REFUSALS)
async def test_who_is_refused_hears_why(world: World, auth: Any, code: int) -> None:
    async with person(world, auth) as kim:
        await eventually(lambda: kim.refused is not None)
        assert kim.refused["data"]["code"] == code
        assert kim.refused["message"] == kim.refused["data"]["message"] != ""
    await eventually(lambda: world.ward.sockets == 0)


@pytest.mark.parametrize(
    ("error", "code"), [(Forbidden("-"), 4403), (NotFound("-"), 4404), (Gone("-"), 4410),
                        (RateLimited("-", retry_after=1), 4429), (ZeroDivisionError(), 1011)],
)
async def test_the_code_is_that_of_a_websocket(world: World, error: Exception, code: int) -> None:
    world.gate.entering = error
    async with person(world, {"session_id": "s"}, "polling") as kim:
        await eventually(lambda: kim.refused is not None)
        assert kim.refused["data"]["code"] == code


async def test_they_count_with_the_websockets() -> None:
    async with opened(replace(QUICK, max_connections=2)) as world:
        async with world.connect("s") as one, person(world, {"session_id": "s"}, "polling") as two:
            await one.recv(), await two.next()
            async with person(world, {"session_id": "s"}) as three:
                await eventually(lambda: three.refused is not None)
                assert three.refused["data"]["code"] == 1013
        await eventually(lambda: world.ward.sockets == 0)


async def test_a_drain_warns_and_the_transport_ends(world: World) -> None:
    async with person(world, {"session_id": "s"}) as kim:
        await kim.until("connected")
        await world.ward.drain(notice=0.05)
        assert (await kim.next())["type"] == "goaway"
        assert (await kim.next())["close_code"] == 1012
        assert await kim.next() in ("transport close", "transport error", "server disconnect")
    assert world.ward.sockets == 0


@pytest.mark.parametrize("way", WAYS)
async def test_an_expired_token_ends_the_connection(world: World, way: tuple[str, ...]) -> None:
    async with person(world, {"session_id": "s", "token": "kim:0.3"}, *way) as kim:
        error = (await kim.until("error"))[-1][1]
        assert (error["code"], error["close_code"]) == ("CLOSED", 4006)
        await kim.until("disconnect")
    await eventually(lambda: world.ward.sockets == 0)


async def test_an_erased_session_sends_its_clients_away(world: World) -> None:
    async with person(world, {"session_id": "s"}) as kim:
        await kim.until("connected")
        del world.log.streams["s"]
        assert (await kim.until("error"))[-1][1]["close_code"] == 4410
        await kim.until("disconnect")


async def test_every_third_heartbeat_says_where_the_log_stands() -> None:
    async with opened(replace(QUICK, heartbeat=0.5)) as world, person(world, {"session_id": "s"}, "polling") as kim:
        assert (await kim.until("sync"))[-1][1] == {"type": "sync", "head": 0}
