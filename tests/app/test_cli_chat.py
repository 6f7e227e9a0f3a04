"""`malgil chat` against a scripted server over real sockets."""

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from rich.console import Console
from websockets.asyncio.server import ServerConnection, serve

from malgil.app.commands import chat
from malgil.app.commands.chat import Client, Screen, harmless, socket_url
from malgil.kit.errors import Invalid
from malgil.resilience.retry import RetryPolicy

Script = Callable[["Server", ServerConnection], Awaitable[None]]


class Server:
    """One script a connection, in order; keeps what clients asked for and said."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[dict[str, list[str]]] = []
        self.paths: list[str] = []
        self.heard: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        parts = urlsplit(socket.request.path)
        self.paths.append(parts.path)
        self.asked.append(parse_qs(parts.query))
        await self.scripts[min(len(self.asked), len(self.scripts)) - 1](self, socket)

    async def hear(self, socket: ServerConnection) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await socket.recv())
        self.heard.append(frame)
        return frame


async def send(socket: ServerConnection, *frames: dict[str, Any]) -> None:
    for frame in frames:
        await socket.send(json.dumps(frame))


def entry(seq: int, kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "seq": seq, "cursor": f"e.{seq}", **data}


LIVE = {"type": "live", "cursor": "e.0"}
ANSWER = {"message_id": "msg_1"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "_BACKOFF", RetryPolicy(worth=lambda e: True, base=0.01, most=0.02))


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, shown: io.StringIO) -> Any:
    """Runs a client that types `typed` against `server`, to its end."""

    async def run(server: Server, typed: str = "", token: str | None = None) -> str | None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        async with serve(server.handle, "127.0.0.1", 0) as listening:
            server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            screen = Screen(Console(file=shown, highlight=False, soft_wrap=True, emoji=False))
            client = Client(socket_url(server.url, "s 1"), token, screen)
            end = await asyncio.wait_for(client.talk(), 10)
            screen.close()
        return end

    return run


async def answering(server: Server, socket: ServerConnection) -> None:
    await send(socket, LIVE)
    said = await server.hear(socket)
    key = said["client_message_id"]
    await send(
        socket,
        entry(1, "message", message_id="m", content=said["content"], sender_type="user", client_message_id=key),
        entry(2, "turn", turn_id="t", state="queued", **ANSWER), {"type": "ack", "client_message_id": key, "seq": 1},
        entry(3, "stream_start", **ANSWER), entry(4, "stream_chunk", content="안녕 :smile: ", offset=0, **ANSWER),
        entry(5, "stream_chunk", content="[bold]하세요", offset=11, **ANSWER),
        entry(6, "stream_end", length=20, finish_reason="stop", **ANSWER),
    )
    await socket.wait_closed()


async def test_a_question_and_its_answer(talk: Any, shown: io.StringIO) -> None:
    server = Server(answering)
    assert await talk(server, "\n  \n잘 지내?\n", token="a b") is None
    assert shown.getvalue() == "agent: 안녕 :smile: [bold]하세요\n"
    assert [frame["content"] for frame in server.heard] == ["잘 지내?"]
    assert server.paths == ["/ws/s%201"]
    assert server.asked == [{"after": ["start"], "token": ["a b"]}]


async def test_a_lost_connection_goes_on_at_the_cursor_with_exact_text(talk: Any, shown: io.StringIO) -> None:
    async def dies(server: Server, socket: ServerConnection) -> None:
        begun = entry(1, "stream_start", **ANSWER)
        await send(socket, begun, entry(2, "stream_chunk", content="ab", offset=0, **ANSWER), LIVE)
        socket.transport.abort()

    async def goes_on(server: Server, socket: ServerConnection) -> None:
        await send(socket, entry(3, "stream_chunk", content="cd", offset=2, **ANSWER), LIVE,
                   entry(4, "stream_end", length=4, finish_reason="stop", **ANSWER))
        await socket.wait_closed()

    server = Server(dies, goes_on)
    assert await talk(server) is None
    assert server.asked[1]["after"] == ["e.2"]
    lines = shown.getvalue().splitlines()
    assert lines[:2] == ["agent: ab", "— reconnecting…"]
    assert "".join(line for line in lines if not line.startswith("—")) == "agent: abcd"


async def test_what_was_not_acknowledged_is_sent_again_once_connected(talk: Any) -> None:
    async def deaf(server: Server, socket: ServerConnection) -> None:
        await send(socket, LIVE)
        await server.hear(socket)
        await socket.close(1012)

    server = Server(deaf, answering)
    assert await talk(server, "hello\n") is None
    first, second = server.heard
    assert first == second


async def test_an_answer_that_is_reset_is_written_again(talk: Any, shown: io.StringIO) -> None:
    async def resets(server: Server, socket: ServerConnection) -> None:
        await send(
            socket, entry(1, "stream_start", **ANSWER),
            entry(2, "stream_chunk", content="ab wrong", offset=0, **ANSWER),
            entry(3, "stream_reset", attempt=2, offset=3, **ANSWER),
            entry(4, "stream_chunk", content="right", offset=3, **ANSWER),
            entry(5, "stream_end", length=8, finish_reason="length", **ANSWER), LIVE,
        )
        await socket.wait_closed()

    assert await talk(Server(resets)) is None
    assert shown.getvalue().splitlines() == [
        "agent: ab wrong", "— the answer begins again", "agent: ab right", "— the answer ended: length",
    ]


@pytest.mark.parametrize(("code", "word"), [(4401, "token"), (4403, "participant"), (4404, "no such session"),
                                            (4410, "erased"), (4429, "too many")])
async def test_a_refusal_ends_it_with_the_reason(talk: Any, code: int, word: str) -> None:
    async def refuses(server: Server, socket: ServerConnection) -> None:
        await socket.close(code)

    server = Server(refuses)
    assert word in await talk(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [1001, 1012, 1013, 4000, 4001, 4003, 4006, 1011])
async def test_other_ends_are_come_back_from(talk: Any, code: int) -> None:
    async def closes(server: Server, socket: ServerConnection) -> None:
        await send(socket, entry(1, "stream_start", **ANSWER), LIVE)
        await socket.close(code)

    async def ends(server: Server, socket: ServerConnection) -> None:
        await send(socket, entry(2, "stream_end", length=0, finish_reason="stop", **ANSWER), LIVE)
        await socket.wait_closed()

    server = Server(closes, ends)
    assert await talk(server) is None
    assert server.asked[1]["after"] == ["e.1"]


async def test_after_a_resync_it_begins_without_its_cursor(talk: Any) -> None:
    async def resync(server: Server, socket: ServerConnection) -> None:
        await send(socket, entry(9, "stream_start", **ANSWER), LIVE)
        await socket.close(4002)

    async def live(server: Server, socket: ServerConnection) -> None:
        await send(socket, LIVE)
        await socket.wait_closed()

    server = Server(resync, live)
    assert await talk(server) is None
    assert server.asked[1]["after"] == ["start"]


@pytest.mark.parametrize("rubbish", ["{", "[1]", entry(5, "stream_chunk", content="x", offset=9, **ANSWER)])
async def test_a_server_that_talks_rubbish_is_asked_again(talk: Any, rubbish: Any) -> None:
    async def talks(server: Server, socket: ServerConnection) -> None:
        await send(socket, entry(1, "stream_start", **ANSWER), LIVE)
        await socket.send(rubbish if isinstance(rubbish, str) else json.dumps(rubbish))
        await socket.wait_closed()

    async def ends(server: Server, socket: ServerConnection) -> None:
        await send(socket, entry(2, "stream_end", length=0, finish_reason="stop", **ANSWER), LIVE)
        await socket.wait_closed()

    server = Server(talks, ends)
    assert await talk(server) is None
    assert len(server.asked) == 2


async def test_where_nobody_answers_it_says_so_at_once(monkeypatch: pytest.MonkeyPatch, shown: io.StringIO) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    client = Client("ws://127.0.0.1:1/ws/s", None, Screen(Console(file=shown)))
    end = await asyncio.wait_for(client.talk(), 10)
    assert end is not None
    assert "malgil serve" in end


def test_a_run_that_is_refused_exits_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(typer.Exit) as left:
        chat.run(url="http://127.0.0.1:1", session="s", token=None)
    assert left.value.exit_code == 1
    assert "no Malgil answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("base", "url"),
    [("http://127.0.0.1:8003", "ws://127.0.0.1:8003/ws/a%2Fb"), ("https://x.example/", "wss://x.example/ws/a%2Fb"),
     ("wss://x.example/chat/", "wss://x.example/chat/ws/a%2Fb"), ("http://[::1]:1", "ws://[::1]:1/ws/a%2Fb")],
)
def test_addresses(base: str, url: str) -> None:
    assert socket_url(base, "a/b") == url


@pytest.mark.parametrize(
    "base", ["", "localhost:8003", "ftp://x", "http://", "//x", "http:///x", "http://[x", "http://x:99999", "http://x:y"]
)
def test_addresses_that_are_none(base: str) -> None:
    with pytest.raises(Invalid):
        socket_url(base, "s")


def test_what_others_write_cannot_steer_the_terminal() -> None:
    assert harmless("a\x1b[2Jb\x07\r\n\tc\x9b0m한") == "a\ufffd[2Jb\ufffd\ufffd\n\tc\ufffd0m한"
