"""Event streams over a real server, read by a real client."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from malgil.access.model import guest
from malgil.kit import json
from malgil.kit.errors import MalgilError, RateLimited, Unavailable
from malgil.log.errors import EpochChanged, StreamMissing
from malgil.log.model import Entry
from malgil.realtime.bus import MemoryBus
from malgil.realtime.framed import Framed
from malgil.realtime.frames import Frames
from malgil.realtime.hub import Hub
from malgil.realtime.sse import Entries, Events, EventStream, projected_events
from malgil.realtime.ward import Ward
from tests.realtime.fakes import QUICK, FakeLog, World, close_code, eventually, frames, serving

Following = Callable[..., AbstractAsyncContextManager["Reader"]]


class Reader:
    """Blocks of an event stream, one at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self._lines = response.aiter_lines()

    async def block(self) -> list[str]:
        """The lines up to the next empty one; raises StopAsyncIteration at the end."""
        lines: list[str] = []
        async with asyncio.timeout(5):
            while line := await anext(self._lines):
                lines.append(line)
        return lines

    async def event(self) -> dict:
        """The next event's data, with its `id`."""
        while True:
            fields = dict(line.split(": ", 1) for line in await self.block() if not line.startswith(":"))
            if "data" in fields:
                return json.loads(fields["data"]) | {"id": fields["id"]}


@asynccontextmanager
async def open_stream(world: World, kind: str, query: str = "") -> AsyncIterator[Reader]:
    async with (
        httpx.AsyncClient(trust_env=False, timeout=10) as client,
        client.stream("GET", f"http{world.url}/{kind}/s{query}") as response,
    ):
        yield Reader(response)


@pytest.fixture(params=["events", "made"])
def following(request: pytest.FixtureRequest) -> Callable[..., AbstractAsyncContextManager[Reader]]:
    return lambda world, query="": open_stream(world, request.param, query)


async def test_it_begins_with_retry_and_an_id_without_data(world: World, following: Following) -> None:
    world.log.append("s", "a")
    async with following(world) as reader:
        assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.headers["cache-control"] == "no-cache, no-transform"
        assert reader.headers["x-accel-buffering"] == "no"
        assert await reader.block() == ["retry: 2000"]
        assert await reader.block() == ["id: e1.0"]
        first = await reader.block()
        assert first[0] == "id: e1.1"
        assert json.loads(first[1].removeprefix("data: "))["seq"] == 1


async def test_it_goes_on_live_and_resumes_anywhere(world: World, following: Following) -> None:
    world.log.append("s", *"abc")
    async with following(world, "?after=1") as reader:
        assert [(await reader.event())["id"] for _ in range(2)] == ["e1.2", "e1.3"]
        await world.say("s", "d", "e")
        assert [(await reader.event())["seq"] for _ in range(2)] == [4, 5]


async def test_a_comment_beats_when_nothing_is_said(following: Following) -> None:
    async with serving(replace(QUICK, sse_heartbeat=0.05)) as world:
        world.log.append("s", "a")
        async with following(world, "?after=1") as reader:
            await reader.block(), await reader.block()
            assert await reader.block() == [":"]
            assert await reader.block() == [":"]
            await world.say("s", "b")
            assert (await reader.event())["seq"] == 2


async def test_a_client_that_goes_leaves_nothing_behind(world: World, following: Following) -> None:
    world.log.append("s", "a")
    async with following(world) as reader:
        await reader.event()
        assert world.hub.sessions == 1
    await eventually(lambda: world.hub.sessions == 0 and not world.ward._patients)


async def test_a_drain_ends_the_stream_cleanly(world: World, following: Following) -> None:
    world.log.append("s", "a")
    async with following(world) as reader:
        await reader.event()
        await world.ward.drain(notice=0)
        with pytest.raises(StopAsyncIteration):
            await reader.block()


async def test_a_stream_ends_when_its_token_does(world: World, following: Following) -> None:
    world.log.append("s", "a")
    async with following(world, "?token=kim:0.3") as reader:
        with pytest.raises(StopAsyncIteration):
            while True:
                await reader.block()
    await eventually(lambda: world.ward.sockets == 0)


async def test_a_user_has_so_many_streams_and_sockets_together(following: Following) -> None:
    async with serving(replace(QUICK, max_per_user=2)) as world:
        world.log.append("s", "a")
        async with following(world) as one, world.connect("s") as socket:
            await one.event()
            await frames(socket, "connected")
            assert await refused(world) == RateLimited
            async with following(world, "?token=lee") as other:
                await other.event()
                assert world.ward.sockets == 3
        await eventually(lambda: world.ward.sockets == 0)
        async with following(world) as again:
            await again.event()


async def test_a_full_server_takes_no_stream(following: Following) -> None:
    async with serving(replace(QUICK, max_connections=1)) as world:
        world.log.append("s", "a")
        async with following(world) as one:
            await one.event()
            assert await refused(world) == Unavailable
            async with world.connect("s") as socket:
                assert await close_code(socket) == 1013
            assert world.ward.sockets == 1


async def refused(world: World) -> type[Exception]:
    """With what a further stream of the guest is refused before anything is sent."""
    pipe = Pipe()
    with pytest.raises(MalgilError) as told:
        await EventStream(Entries(world.hub, "s", 0), world.ward, seat=guest())({}, pipe.receive, pipe.send)
    assert pipe.sent == []
    return told.type


async def test_a_stream_opened_during_a_drain_ends_at_once(world: World, following: Following) -> None:
    world.log.append("s", "a")
    world.ward.draining = True
    async with following(world) as reader:
        with pytest.raises(StopAsyncIteration):
            while True:
                await reader.block()


async def test_a_changed_history_ends_the_stream(world: World, following: Following) -> None:
    world.log.append("s", "a")
    async with following(world) as reader:
        await reader.event()
        world.log.epoch = "e2"
        with pytest.raises(StopAsyncIteration):
            await reader.block()


async def test_a_session_that_is_not_there_is_an_error_before_the_response() -> None:
    pipe = Pipe()
    hub = Hub(FakeLog(), MemoryBus(), Frames(), interval=None)
    with pytest.raises(StreamMissing):
        await EventStream(Entries(hub, "nobody", 0), Ward(QUICK))({}, pipe.receive, pipe.send)
    assert pipe.sent == []


async def test_entries_are_shown_as_projected_up_to_the_last() -> None:
    log = FakeLog()
    log.append("s", "a", "skip", "b")
    bus = MemoryBus()
    async with Hub(log, bus, Frames(), interval=0.01) as hub:
        shown = Entries(hub, "s", 0, _shown, _is_end)
        responding = asyncio.create_task(respond(shown))
        await eventually(lambda: hub.sessions == 1)
        log.append("s", "c", "end", "never")
        pipe = await responding
        assert hub.sessions == 0
    assert pipe.body == beginning(log) + b"abcend"


async def test_a_projection_that_fails_ends_the_response(caplog: pytest.LogCaptureFixture) -> None:
    log = FakeLog()
    log.append("s", "a")
    hub = Hub(log, MemoryBus(), Frames(), interval=None)
    pipe = await respond(Entries(hub, "s", 0, lambda framed: b"" if 1 // 0 else None))
    assert pipe.body == beginning(log)
    assert "an event stream failed" in caplog.text


async def test_a_long_replay_is_written_in_chunks() -> None:
    log = FakeLog()
    log.append("s", *["x" * 1000] * 250, "end")
    hub = Hub(log, MemoryBus(), Frames(), interval=None)
    pipe = await respond(Entries(hub, "s", 0, _shown, _is_end))
    assert pipe.body == beginning(log) + b"x" * 250_000 + b"end"
    assert 4 < len(pipe.sent) < 12


def beginning(log: FakeLog) -> bytes:
    """What every stream of entries begins with: when to come back, and where it stands."""
    return f"retry: 2000\n\nid: {log.epoch}.0\n\n".encode()


def _shown(framed: Framed) -> bytes | None:
    text: str = framed.entry.data["text"]
    return None if text == "skip" else text.encode()


class Pipe:
    """An ASGI server's two ends, without a network."""

    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.over = asyncio.Event()

    async def send(self, message: dict) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message["more_body"]:
            self.over.set()

    async def receive(self) -> dict:
        await self.over.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent[1:])


async def respond(shown: Entries | Events, **options: object) -> Pipe:
    pipe = Pipe()
    async with asyncio.timeout(5):
        await EventStream(shown, Ward(QUICK), **options)({}, pipe.receive, pipe.send)
    return pipe


async def test_a_finite_stream_ends_after_its_last_event() -> None:
    log = FakeLog()
    log.append("s", "a", "skip", "b", "end", "never")

    async def events() -> Events:
        async with Hub(log, MemoryBus(), Frames(), interval=None).watch("s") as tail:
            async for event in projected_events(tail, 0, _shown, _is_end):
                yield event

    pipe = await respond(events(), headers=[(b"x-extra", b"1")])
    assert pipe.body == b"retry: 2000\n\nabend"
    assert (b"x-extra", b"1") in pipe.sent[0]["headers"]


def _is_end(entry: Entry) -> bool:
    return entry.data["text"] == "end"


async def test_the_last_entry_ends_the_stream_even_if_it_is_not_shown() -> None:
    log = FakeLog()
    log.append("s", "a", "end", "never")
    async with Hub(log, MemoryBus(), Frames(), interval=None).watch("s") as tail:
        shown = projected_events(tail, 0, lambda f: b"x" if f.seq == 1 else None, _is_end)
        assert [event async for event in shown] == [b"x"]


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), EpochChanged("gone"), OSError("pipe")])
async def test_events_that_fail_are_closed_and_end_the_response(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[bool] = []

    async def events() -> Events:
        try:
            yield b"one"
            raise error
        finally:
            closed.append(True)

    pipe = Pipe()
    serving_it = asyncio.create_task(EventStream(events(), Ward(QUICK))({}, pipe.receive, pipe.send))
    await eventually(lambda: closed == [True])
    pipe.over.set()
    await asyncio.wait_for(serving_it, 5)
    assert pipe.body == b"retry: 2000\n\none"
    assert ("an event stream failed" in caplog.text) == isinstance(error, ZeroDivisionError)
