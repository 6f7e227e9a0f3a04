"""The line below a connection, and servers that have none."""

import asyncio
import contextlib

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from malgil.realtime.line import HttpLine, line_of, server_options
from malgil.realtime.settings import KIB, RealtimeSettings
from tests.realtime.fakes import QUICK, World, eventually, frame, frames, serving

FOREIGN = {"ws": "websockets-sansio", "http": "httptools"}


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"other": {}}}])
def test_a_server_that_is_not_ours_has_a_blind_line(scope: dict) -> None:
    line = line_of(scope)
    line.ping()
    line.cut()
    assert (line.write(b"x"), line.unsent(), line.heard_at) == (False, 0, 0.0)


async def test_our_server_puts_itself_into_the_scope() -> None:
    async with serving() as world, world.connect("s") as client:
        await frame(client)
        await eventually(lambda: len(world.ward._patients) == 1)
        (outlet,) = world.ward._patients
        assert outlet._line.heard_at > 0
        assert outlet._line.unsent() == 0
        outlet._line.cut()
        await eventually(lambda: world.ward.sockets == 0)


@pytest.mark.parametrize("server", [FOREIGN, FOREIGN | {"ws_per_message_deflate": False}, None])
async def test_every_frame_comes_whole_under_any_server(server: dict | None) -> None:
    async with serving(QUICK, server=server) as world:
        world.log.append("s", *["x" * 30 * KIB] * 20)
        async with world.connect("s", "?after=start") as client:
            assert [f["seq"] for f in (await frames(client, "live"))[1:-1]] == list(range(1, 21))
            for n, size in enumerate((1, 2, 100, 125, 126, 70_000), 21):
                await world.say("s", "가" * size)
                got = await frame(client)
                assert (got["seq"], len(got["text"])) == (n, size)


async def test_compressed_connections_get_compressed_frames() -> None:
    """A frame encoded once for all is not for a client with whom compression was agreed."""
    deflating = server_options(QUICK) | {"ws_per_message_deflate": True}
    async with serving(QUICK, server=deflating) as world, world.connect("s", deflate=True) as client:
        await frame(client)
        await world.say("s", "가" * 1000)
        assert (await frame(client))["text"] == "가" * 1000


async def test_a_request_head_without_end_is_cut_off() -> None:
    async with serving() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof() and sent < 100:
                writer.write(b"X-More: " + b"x" * 8_000 + b"\r\n")
                sent += 1
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
    assert sent < 20


def test_the_server_is_told_the_limits() -> None:
    options = server_options(RealtimeSettings(message_size_limit=123))
    assert options["ws_max_size"] == 123
    assert options["ws_ping_interval"] is None
    assert options["ws_per_message_deflate"] is False


async def length(request: Request) -> Response:
    return Response(str(len(await request.body())))


def reads(world: World) -> list[Route]:
    return [Route("/reads", length, methods=["POST"])]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpLine, "head_seconds", 0.5)
    monkeypatch.setattr(HttpLine, "body_seconds", 0.5)


async def trickled(world: World, begin: bytes, drop: bytes, *, seconds: float = 4.0) -> bytes:
    """What is answered to somebody who sends `begin` and then a drop at a time, until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(begin)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while drop:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(seconds):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        dripping.cancel()
        await asyncio.wait([dripping])
        writer.close()


@pytest.mark.usefixtures("hurried")
class TestRequestsThatNeverEnd:
    async def test_a_head_that_comes_in_drops_is_cut_off(self) -> None:
        async with serving() as world:
            answer = await trickled(world, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"a")
        assert answer.startswith(b"HTTP/1.1 408 ")

    async def test_a_connection_that_says_nothing_is_closed(self) -> None:
        async with serving() as world:
            assert await trickled(world, b"", b"") == b""

    async def test_a_second_request_on_a_connection_is_held_to_it_too(self) -> None:
        whole = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
        async with serving() as world:
            answer = await trickled(world, whole + b"GET / HTTP/1.1\r\nX-Slow: ", b"a")
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"HTTP/1.1 408 " in answer

    async def test_a_body_that_stops_is_cut_off(self) -> None:
        async with serving(more=reads) as world:
            begin = b"POST /reads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc"
            assert b" 200 " not in await trickled(world, begin, b"")

    async def test_a_body_that_goes_on_is_waited_for(self) -> None:
        async with serving(more=reads) as world:
            begin = b"POST /reads HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 25\r\n\r\n"
            answer = await trickled(world, begin, b"a")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"25")

    async def test_the_rest_of_a_body_that_nobody_needs_is_not_waited_for(self) -> None:
        async with serving() as world:
            begin = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
            assert (await trickled(world, begin, b"a")).startswith(b"HTTP/1.1 404 ")

    async def test_a_long_answer_and_a_quiet_socket_are_left_alone(self) -> None:
        async with serving() as world, world.connect("s") as client:
            await frame(client)
            reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
            writer.write(b"GET /events/s HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(1.2)
            await world.say("s", "still there")
            assert (await frame(client))["text"] == "still there"
            async with asyncio.timeout(5):
                await reader.readuntil(b"still there")
            writer.close()

    async def test_half_a_connection_is_closed(self) -> None:
        """The client has shut its side down in the middle of a head."""
        async with serving() as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
            writer.write(b"GET / HTTP/1.1\r\n")
            writer.write_eof()
            async with asyncio.timeout(4):
                await reader.read()
            writer.close()
