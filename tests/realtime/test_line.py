"""The line below a connection, and servers that have none."""

import asyncio
import contextlib

import pytest

from malgil.realtime.line import line_of, server_options
from malgil.realtime.settings import KIB, RealtimeSettings
from tests.realtime.fakes import QUICK, eventually, frame, frames, serving

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
