"""The JavaScript client that people use, against a real server: what it shows is what is stored, whatever happens."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.crash.harness import Server

HERE = Path(__file__).parent / "socketio"
QUESTION = "주문 상태 확인"

Happening = list[Any]


class Page:
    """A JavaScript client in a process of its own, and everything it says has happened."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.happened: list[Happening] = []

    async def do(self, command: str, argument: Any = None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, argument]).encode() + b"\n")
        await self._process.stdin.drain()

    async def until(self, what: Callable[[Happening], bool], seconds: float = 30) -> Any:
        """Read on until such a thing happens; what it brought."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            while True:
                line = await self._process.stdout.readline()
                assert line, "the client has ended"
                self.happened.append(json.loads(line))
                if what(self.happened[-1]):
                    return self.happened[-1][1]

    def frames(self) -> list[dict[str, Any]]:
        return [data["frame"] for what, data in self.happened if what == "event"]


@asynccontextmanager
async def page(server: Server, session_id: str, *transports: str) -> AsyncIterator[Page]:
    node = shutil.which("node")
    assert node, "no Node: install one (apt install nodejs npm), or run `make test-system`, which does"
    assert (HERE / "node_modules").exists(), "run `npm ci --prefix tests/system/socketio`, or `make test-system`"
    process = await asyncio.create_subprocess_exec(
        node, "client.mjs", server.url, session_id, *(transports or ("websocket",)), cwd=HERE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]}, limit=1 << 22,
    )
    try:
        yield Page(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def event(name: str) -> Callable[[Happening], bool]:
    return lambda happening: happening[0] == "event" and happening[1]["name"] == name


def is_a(kind: str) -> Callable[[Happening], bool]:
    return lambda happening: happening[0] == kind


def shown(frames: list[dict[str, Any]]) -> str:
    """The answer as a page shows it; AssertionError for a piece out of its place."""
    text = ""
    for frame in frames:
        if frame["type"] == "stream_chunk":
            assert frame["offset"] == len(text), frame
            text += frame["content"]
        elif frame["type"] == "stream_reset":
            text = text[: frame["offset"]]
    return text


def entries(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames if "seq" in frame and "cursor" in frame]


async def stored(api: httpx.AsyncClient, session_id: str) -> list[str]:
    answer = await api.get(f"/api/chat/sessions/{session_id}/messages")
    return [message["content"] for message in answer.json()["messages"]]


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")])
async def test_a_question_and_its_answer(server: Server, api: httpx.AsyncClient, transports: tuple[str, ...]) -> None:
    async with page(server, "asked", *transports) as client:
        await client.do("connect")
        await client.until(event("live"))
        await client.do("message", {"content": QUESTION, "client_message_id": "m1"})
        ack = await client.until(is_a("acknowledged"))
        assert (ack["client_message_id"], ack["duplicate"]) == ("m1", False)
        if not any(event("stream_end")(happening) for happening in client.happened):
            await client.until(event("stream_end"))
        seqs = entries(client.frames())
        assert seqs == list(range(1, len(seqs) + 1))
        assert await stored(api, "asked") == [QUESTION, shown(client.frames())]
        await client.do("message", {"content": QUESTION, "client_message_id": "m1"})
        assert await client.until(is_a("acknowledged")) == ack | {"duplicate": True}
        await client.do("message", {"contnt": "?"})
        assert (await client.until(is_a("acknowledged")))["error"]["code"] == "INVALID_MESSAGE"


async def test_it_goes_on_by_itself_when_the_server_was_killed(server: Server, api: httpx.AsyncClient) -> None:
    async with page(server, "killed") as client:
        await client.do("connect")
        await client.until(event("live"))
        await client.do("message", {"content": QUESTION, "client_message_id": "m1"})
        await client.until(event("stream_chunk"))
        server.kill()
        await client.until(is_a("disconnect"))
        server.start()
        assert await server.ready()
        await client.until(event("stream_end"), 60)
        seqs = entries(client.frames())
        assert seqs == list(range(1, len(seqs) + 1)), "every entry once, over both connections"
        assert await stored(api, "killed") == [QUESTION, shown(client.frames())]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_who_is_refused_hears_why_and_does_not_try_again(server: Server, transport: str) -> None:
    async with page(server, "refused", transport) as client:
        await client.do("connect", {"token": "that is none"})
        refused = await client.until(is_a("connect_error"))
        assert (refused["data"]["code"], refused["active"]) == (4401, False)
        assert refused["message"] == refused["data"]["message"]
        await client.do("connect")
        await client.until(is_a("connect"))
    async with page(server, "sess_unknown", transport) as client:
        await client.do("connect")
        assert (await client.until(is_a("connect_error")))["data"]["code"] == 4404
