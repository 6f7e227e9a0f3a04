"""She uses an app built on Socket.IO; the server is killed in the middle of an answer, and she misses nothing."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import socketio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.journeys.node import Node
from tests.journeys.talk import Frame, hear_all, stored, text_of
from tests.journeys.test_two_devices import ORDERS, entries, whole


class Phone:
    """A python-socketio client that reconnects by itself and says where it stands."""

    def __init__(self, session_id: str) -> None:
        self.frames: list[Frame] = []
        self._session_id = session_id
        self._news = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.3)
        self.client.on("*", self._hear)

    async def _hear(self, _name: str, frame: Frame) -> None:
        self.frames.append(frame)
        self._news.set()

    def auth(self) -> dict[str, Any]:
        told = entries(self.frames)
        return {"session_id": self._session_id, "after": told[-1]["cursor"] if told else "start"}

    async def until(self, kind: str, *, seconds: float = 30.0) -> Frame:
        async with asyncio.timeout(seconds):
            while not (found := [frame for frame in self.frames if frame["type"] == kind]):
                self._news.clear()
                await self._news.wait()
        return found[0]


@asynccontextmanager
async def phone(server: Node, session_id: str) -> AsyncIterator[Phone]:
    made = Phone(session_id)
    await made.client.connect(server.url, auth=made.auth, transports=["websocket"], wait_timeout=10)
    try:
        yield made
    finally:
        await made.client.shutdown()


async def test_the_server_is_killed_in_mid_answer(server: Node, http: httpx.AsyncClient) -> None:
    async with phone(server, "app-killed") as she:
        ack = await she.client.call("message", {"content": ORDERS, "client_message_id": "once"})
        await she.until("stream_chunk")
        server.end(signal.SIGKILL)
        server.start()
        await asyncio.to_thread(server.ready)
        await she.until("stream_end", seconds=60)
        assert [frame["type"] for frame in she.frames].count("connected") == 2
        whole(she.frames)
        again = await she.client.call("message", {"content": ORDERS, "client_message_id": "once"})
        assert again == ack | {"duplicate": True}
    hers, reply = await stored(http, "app-killed")
    assert (hers["content"], text_of(she.frames)) == (ORDERS, reply["content"])


async def test_her_browser_sees_the_same(server: Node, http: httpx.AsyncClient) -> None:
    async with phone(server, "app-shared") as she, connect(f"{server.sockets}/ws/app-shared?after=start") as browser:
        await she.client.emit("message", {"content": ORDERS})
        seen = await hear_all(browser, "stream_end")
        await she.until("stream_end")
        assert entries(she.frames) == entries(seen)
    _, reply = await stored(http, "app-shared")
    assert text_of(entries(she.frames)) == reply["content"]


async def test_a_foreign_page_gets_nowhere(server: Node, http: httpx.AsyncClient) -> None:
    where, foreign = "/socket.io/?EIO=4&transport=polling", {"Origin": "http://evil.example"}
    opening = await http.get(where)
    assert opening.status_code == 200
    sid = json.loads(opening.text[1:])["sid"]
    for answer in (
        await http.get(where, headers=foreign),
        await http.get(f"{where}&sid={sid}", headers=foreign),
        await http.post(f"{where}&sid={sid}", headers=foreign, content='40{"session_id":"s"}'),
        await http.get(where, headers={"Sec-Fetch-Site": "cross-site"}),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    socket = f"{server.sockets}/socket.io/?EIO=4&transport=websocket"
    async with connect(socket, additional_headers=foreign) as page:
        with pytest.raises(ConnectionClosed):
            await page.recv()
        assert page.close_code == 4403
