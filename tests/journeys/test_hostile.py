"""A visitor who means harm, or whose program is broken: nobody else notices, and the log holds no traceback."""

import asyncio
import random
import socket as sockets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.journeys.node import Node
from tests.journeys.talk import events, hear, hear_all, say, stored, text_of

ORDERS = "주문 상태 확인"
MIB = 1 << 20


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """No limits: what has to hold must hold without them too, and here one guest plays the whole crowd."""
    return {"RATE_LIMIT_ENABLED": "false", "WS_MAX_CONNECTIONS_PER_USER": "1000"}


@pytest.fixture(autouse=True)
async def unharmed(server: Node, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """After each attack the next customer is served, and nothing broke inside."""
    yield
    answer = await http.post("/agent/chat", json={"task": "환불 규정 알려줘"})
    assert answer.status_code == 200
    broken = [line["event"] for line in server.logged() if "Traceback" in line.get("exception", "")]
    assert broken == []


async def closed(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as ended:
        await hear(socket, "never")
    assert ended.value.rcvd is not None
    return ended.value.rcvd.code


BROKEN = [
    b"", b"{", b"null", b"[]", b'"task"', b"\xff\xfe", b'{"task": NaN}',
    b"[" * 100_000, b'{"task": ' + b"9" * 5_000 + b"}",
    b'{"task": "\\u0000"}', b'{"task": "\\ud800"}', b'{"task": "a", "nobody_knows": 1}', b'{"task": "  "}',
    b'{"task": ["a"]}', b'{"task": "a", "agent_id": 99999999999999999999}', b'{"task": "a", "session_id": "../etc"}',
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
async def test_bodies_that_are_none(http: httpx.AsyncClient, body: bytes) -> None:
    refused = await http.post("/agent/chat", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code in (404, 422), refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in refused.text


async def test_wrong_methods_and_types(http: httpx.AsyncClient) -> None:
    wrong = await http.request("BREW", "/agent/chat")
    assert wrong.status_code in (400, 405)
    assert (await http.put("/agent/chat", json={})).status_code == 405
    assert (await http.post("/agent/chat", content="task=a")).status_code == 422
    form = await http.post("/agent/chat", data={"task": "a"})
    assert (form.status_code, form.json()["code"]) == (415, "UNSUPPORTED_TYPE")
    assert (await http.get("/nowhere")).status_code == 404
    assert (await http.get("/ws/not-a-socket")).status_code in (404, 405, 426)


async def test_a_huge_body(http: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    announced = await http.post("/agent/chat", content=b" " * (2 * MIB), headers={"Content-Type": "application/json"})
    assert (announced.status_code, announced.json()["code"]) == (413, "TOO_LARGE")
    counted = await http.post("/agent/chat", content=endless(), headers={"Content-Type": "application/json"})
    assert counted.status_code == 413


@pytest.mark.parametrize("text", ["\U0001f600" * 10_000, "مرحبا بالعالم \u202e שלום", "a\u0301" * 500 + "\u200d\ufeff"])
async def test_text_that_is_odd_and_legal(http: httpx.AsyncClient, text: str) -> None:
    answer = await http.post("/agent/chat", json={"task": text})
    assert answer.status_code == 200
    said, reply = await stored(http, answer.json()["session_id"])
    assert said["content"] == text
    assert reply["content"] == answer.json()["content"]


async def test_frames_that_are_none(server: Node) -> None:
    async with connect(f"{server.sockets}/ws/odd") as socket:
        for frame in ("{", "[]", '{"type":"dance"}', '{"type":"message","content":"\\u0000"}',
                      '{"type":"message","content":"\\ud800"}', '{"type":"message","content":"a","b":1}',
                      '{"type":"read","seq":-1}', '{"type":"resume","after":"x.y"}', "[" * 50_000):
            await socket.send(frame)
            assert (await hear(socket, "error"))["code"] == "INVALID_MESSAGE"
        await socket.send(b"\x00\x01")  # the tenth in a row
        assert await closed(socket) == 1008


async def test_a_frame_too_large(server: Node) -> None:
    async with connect(f"{server.sockets}/ws/large") as socket:
        await socket.send("x" * (64 * 1024 + 1))
        assert await closed(socket) == 1009


async def test_garbage_without_end(server: Node) -> None:
    async def pour() -> None:
        async with connect(f"{server.sockets}/ws/garbage") as socket:
            dice = random.Random(1)
            while True:
                await socket.send(dice.randbytes(2_000))

    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(pour(), 10)
    with sockets.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(random.Random(2).randbytes(10_000) + b"\r\n\r\n")
        assert b"400" in raw.recv(4096)[:64]


async def test_one_who_never_reads(server: Node, http: httpx.AsyncClient) -> None:
    """She holds up nobody, and what is kept for her is bounded."""
    process = psutil.Process(server.pid)
    async with connect(f"{server.sockets}/ws/deaf") as talker:
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", server.port))
        with raw:
            raw.sendall(
                f"GET /ws/deaf?after=start HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Version: 13\r\n\r\n".encode())
            before = process.memory_info().rss
            slowest = 0.0
            for _ in range(12):
                begun = time.monotonic()
                await say(talker, type="message", content="\U0001f600" * 8_000)
                await hear_all(talker, "stream_end")
                slowest = max(slowest, time.monotonic() - begun)
            assert slowest < 5
            assert process.memory_info().rss - before < 40 * MIB


async def test_five_hundred_at_once(server: Node, http: httpx.AsyncClient) -> None:
    async with AsyncExitStack() as stack:
        gate = asyncio.Semaphore(50)

        async def come() -> ClientConnection:
            async with gate:
                return await stack.enter_async_context(connect(f"{server.sockets}/ws/crowd", open_timeout=20))

        crowd = await asyncio.gather(*(come() for _ in range(500)))
        await say(crowd[0], type="message", content=ORDERS)
        heard = await asyncio.gather(*(hear_all(one, "stream_end") for one in crowd))
        _, reply = await stored(http, "crowd")
        assert {text_of(frames) for frames in heard} == {reply["content"]}
        for one in crowd:
            one.transport.abort()


async def test_headers_that_drip(server: Node, http: httpx.AsyncClient) -> None:
    drips = [sockets.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    try:
        for drip in drips:
            drip.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        for _ in range(5):
            for drip in drips:
                drip.sendall(b"z")
            begun = time.monotonic()
            assert (await http.get("/health")).status_code == 200
            assert time.monotonic() - begun < 2
        async with http.stream("GET", "/agent/chat/stream", params={"task": ORDERS}) as response:
            assert [event async for event in events(response)][-1].name == "done"
    finally:
        for drip in drips:
            drip.close()
