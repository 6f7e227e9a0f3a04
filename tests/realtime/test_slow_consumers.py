"""A client that does not read costs the others nothing and us little, and not for long."""

import asyncio
import socket
from dataclasses import replace

import pytest

from malgil.kit import json
from malgil.realtime.meter import SilentMeter
from malgil.realtime.settings import KIB, MIB, RealtimeSettings
from tests.realtime.fakes import QUICK, World, eventually, frame, serving

ASK = "GET {path} HTTP/1.1\r\nHost: x\r\n"
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
)


async def never_reads(world: World, path: str, headers: str = UPGRADE) -> socket.socket:
    """A client with a small receive buffer that sends its request and then does nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    host, _, port = world.url.removeprefix("://").partition(":")
    await loop.sock_connect(sock, (host, int(port)))
    await loop.sock_sendall(sock, f"{ASK.format(path=path)}{headers}\r\n".encode())
    return sock


async def close_code(sock: socket.socket) -> int:
    """The code of the close frame that ends what the server sends."""
    loop, end = asyncio.get_running_loop(), b""
    async with asyncio.timeout(10):
        while chunk := await loop.sock_recv(sock, 65536):
            end = (end + chunk)[-127:]
            start = end.find(b"\x88")
            if start >= 0 and len(end) == start + 2 + end[start + 1]:
                return int.from_bytes(end[start + 2 : start + 4], "big")
    raise AssertionError("closed without a word")


PATIENT = replace(QUICK, stall_seconds=60, lag_bytes=1000 * MIB, merge_bytes=1000 * MIB)


async def test_it_is_closed_when_it_takes_nothing_for_too_long() -> None:
    async with serving(replace(QUICK, lag_bytes=1000 * MIB)) as world:
        with await never_reads(world, "/ws/s"):
            await eventually(lambda: len(world.ward._patients) == 1)
            for _ in range(200):
                await world.say("s", "x" * 60 * KIB)
            assert world.ward.sockets == 1
            await eventually(lambda: world.ward.sockets == 0)


async def test_it_is_closed_at_once_when_it_lags_too_far() -> None:
    async with serving(replace(QUICK, stall_seconds=60)) as world:
        with await never_reads(world, "/ws/s"):
            await eventually(lambda: len(world.ward._patients) == 1)
            for _ in range(300):
                await world.say("s", "x" * 60 * KIB)
            await eventually(lambda: world.ward.sockets == 0)


async def test_if_it_reads_again_in_time_it_hears_4001() -> None:
    async with serving(replace(QUICK, stall_seconds=0.1, close_grace=20)) as world:
        with await never_reads(world, "/ws/s") as sock:
            await eventually(lambda: len(world.ward._patients) == 1)
            for _ in range(200):
                await world.say("s", "x" * 60 * KIB)
            (outlet,) = world.ward._patients
            await eventually(lambda: outlet._closing)
            assert await close_code(sock) == 4001


async def test_it_delays_nobody() -> None:
    async with serving() as world:
        with await never_reads(world, "/ws/s"):
            async with world.connect("s", max_queue=None) as client:
                await frame(client)
                await eventually(lambda: len(world.ward._patients) == 2)
                for n in range(1, 301):
                    await world.say("s", "x" * 20 * KIB)
                    assert (await frame(client))["seq"] == n


async def test_it_gets_everything_once_when_it_was_only_slow() -> None:
    async with serving(PATIENT) as world, world.connect("s", max_queue=1, close_timeout=0.5) as client:
        await frame(client)
        for _ in range(400):
            await world.say("s", "x" * 20 * KIB)
        (outlet,) = world.ward._patients
        await eventually(lambda: outlet._busy)
        assert [(await frame(client))["seq"] for _ in range(400)] == list(range(1, 401))


async def test_deltas_it_lags_behind_are_merged_without_loss() -> None:
    lagging = {"max_queue": 1, "close_timeout": 0.5}
    async with serving(replace(PATIENT, merge_bytes=10 * KIB)) as world, world.connect("s", **lagging) as client:
        await frame(client)
        text = ""
        for n in range(4000):
            piece = f"{n} " + "가" * 500
            entry = world.log.append_piece("s", n, len(text), piece)
            text += piece
            await world.tell(entry)
        got, seq, count = "", 0, 0
        while seq < 4000:
            chunk = await frame(client)
            assert chunk["offset"] == len(got)
            assert chunk.get("from_seq", chunk["seq"]) == seq + 1
            got, seq, count = got + chunk["content"], chunk["seq"], count + 1
        assert got == text
        assert count < 4000


async def test_it_is_not_listened_to_either() -> None:
    """Pings whose pongs are not read must not pile up."""
    async with serving(PATIENT) as world:
        with await never_reads(world, "/ws/s") as sock:
            await eventually(lambda: len(world.ward._patients) == 1)
            (outlet,) = world.ward._patients
            mask = b"\x00\x00\x00\x00"
            ping = b'{"type":"ping","timestamp":"' + b"x" * 80 + b'"}'
            text_frame = bytes([0x81, 0x80 | len(ping)]) + mask + ping
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    while True:
                        await asyncio.get_running_loop().sock_sendall(sock, text_frame * 500)
            assert len(outlet._answers) <= 2


async def test_websocket_pings_are_not_answered_into_a_full_socket() -> None:
    async with serving(PATIENT) as world:
        with await never_reads(world, "/ws/s") as sock:
            await eventually(lambda: len(world.ward._patients) == 1)
            (outlet,) = world.ward._patients
            for _ in range(300):
                await world.say("s", "x" * 60 * KIB)
            await eventually(lambda: outlet._busy)
            before = outlet._line.unsent()
            ping = bytes([0x89, 0x80 | 100]) + b"\x00" * 104
            for _ in range(100):
                await asyncio.get_running_loop().sock_sendall(sock, ping * 100)
            await asyncio.sleep(0.1)
            assert outlet._line.unsent() <= before


async def test_an_empty_fragment_a_million_times_is_too_many_fragments() -> None:
    async with serving(PATIENT) as world:
        with await never_reads(world, "/ws/s") as sock:
            await eventually(lambda: len(world.ward._patients) == 1)
            begin, more = b"\x01\x80\x00\x00\x00\x00", b"\x00\x80\x00\x00\x00\x00"
            await asyncio.get_running_loop().sock_sendall(sock, begin + more * 5000)
            assert await close_code(sock) == 1009


@pytest.mark.parametrize("kind", ["events", "made"])
async def test_a_stream_that_is_not_read_is_cut(kind: str) -> None:
    async with serving() as world:
        world.log.append("s", *["x" * 60 * KIB] * 300)
        with await never_reads(world, f"/{kind}/s", ""):
            await eventually(lambda: len(world.ward._patients) == 1)
            await eventually(lambda: not world.ward._patients and world.hub.sessions == 0)


async def test_a_drain_does_not_wait_for_who_does_not_read() -> None:
    async with serving(replace(PATIENT, close_grace=0.1)) as world:
        with await never_reads(world, "/ws/s"):
            await eventually(lambda: len(world.ward._patients) == 1)
            for _ in range(300):
                await world.say("s", "x" * 60 * KIB)
            async with asyncio.timeout(3):
                await world.ward.drain(notice=0)
            assert world.ward.sockets == 0


def test_the_defaults_are_the_contracts() -> None:
    defaults = RealtimeSettings()
    assert (defaults.heartbeat, defaults.connection_timeout, defaults.stall_seconds) == (30, 300, 10)
    assert (defaults.merge_bytes, defaults.lag_bytes) == (256 * KIB, MIB)
    assert (defaults.replay_entries, defaults.replay_bytes, defaults.message_size_limit) == (5000, MIB, 65536)


async def test_closing_the_slow_is_counted() -> None:
    class Counting(SilentMeter):
        slow = 0

        def slow_closed(self) -> None:
            self.slow += 1

    meter = Counting()
    async with serving(meter=meter) as world:
        with await never_reads(world, "/ws/s"):
            await eventually(lambda: len(world.ward._patients) == 1)
            for _ in range(300):
                await world.say("s", json.dumps("x" * 60 * KIB))
            await eventually(lambda: world.ward.sockets == 0)
    assert meter.slow == 1
