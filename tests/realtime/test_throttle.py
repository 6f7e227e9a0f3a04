"""Too many frames, and too many connections: the client hears of it, and what it has goes on."""

from dataclasses import replace

from malgil.access.model import Caller
from malgil.kit import json
from malgil.realtime.throttle import NoThrottle
from tests.realtime.fakes import QUICK, World, close_code, eventually, frame, frames, serving


class Strict:
    """Lets the first `free` frames through."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.asked: list[str] = []

    async def allow(self, caller: Caller, connection_id: str, kind: str) -> float | None:
        self.asked.append(kind)
        return None if len(self.asked) <= self.free else 5.0


def throttle(world: World, free: int) -> Strict:
    strict = Strict(free)
    world.endpoint._room = replace(world.endpoint._room, throttle=strict)
    return strict


async def test_a_message_too_many_is_refused_and_the_connection_stays() -> None:
    async with serving() as world:
        throttle(world, 1)
        async with world.connect("s") as client:
            await client.send(json.dumps({"type": "message", "content": "one"}))
            await client.send(json.dumps({"type": "message", "content": "two", "client_message_id": "c2"}))
            error = (await frames(client, "error"))[-1]
            assert error == {
                "type": "error", "code": "RATE_LIMIT", "message": "Too many messages", "retry_after": 5000,
                "client_message_id": "c2",
            }
            await world.say("s", "still connected")
            assert (await frame(client))["text"] == "still connected"
    assert [one["content"] for one in world.gate.received] == ["one"]


async def test_refusals_are_not_malformed_frames() -> None:
    async with serving() as world:
        throttle(world, 0)
        async with world.connect("s") as client:
            await frame(client)
            for _ in range(30):
                await client.send(json.dumps({"type": "ping"}))
                assert (await frame(client))["code"] == "RATE_LIMIT"


async def test_typing_too_often_is_dropped_without_a_word() -> None:
    async with serving() as world:
        strict = throttle(world, 0)
        async with world.connect("s") as client:
            await frame(client)
            await client.send(json.dumps({"type": "typing", "is_typing": True}))
            await client.send(json.dumps({"type": "ping"}))
            assert (await frame(client))["type"] == "error"
        assert strict.asked == ["typing", "ping"]


async def test_malformed_frames_are_not_counted_as_messages() -> None:
    async with serving() as world:
        strict = throttle(world, 9)
        async with world.connect("s") as client:
            await frame(client)
            await client.send("no json")
            assert (await frame(client))["code"] == "INVALID_MESSAGE"
        assert strict.asked == []


async def test_without_a_throttle_everything_passes() -> None:
    async with serving() as world:
        assert isinstance(world.endpoint._room.throttle, NoThrottle)
        async with world.connect("s") as client:
            await frame(client)
            for _ in range(200):
                await client.send(json.dumps({"type": "ping"}))
                assert (await frame(client))["type"] == "pong"


async def test_a_user_with_too_many_connections_is_told_4429() -> None:
    async with serving(replace(QUICK, max_per_user=2)) as world:
        async with world.connect("s", "?token=kim") as one, world.connect("s", "?token=kim") as two:
            await frame(one)
            await frame(two)
            async with world.connect("s", "?token=kim") as third:
                assert await close_code(third) == 4429
            async with world.connect("s", "?token=lee") as other:
                assert (await frame(other))["type"] == "connected"
        await eventually(lambda: not world.ward._seats)
        async with world.connect("s", "?token=kim") as again:
            assert (await frame(again))["type"] == "connected"


async def test_a_place_is_given_back_when_the_session_refuses() -> None:
    async with serving(replace(QUICK, max_per_user=1)) as world:
        for _ in range(3):
            async with world.connect("sess_none", "?token=kim") as refused:
                assert await close_code(refused) == 4404
        await eventually(lambda: not world.ward._seats)
