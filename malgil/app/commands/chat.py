"""`malgil chat`: the terminal and the socket around chat_core."""

import asyncio
import random
import secrets
import sys
import threading
import unicodedata
from contextlib import suppress
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode, urlsplit

import typer
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from malgil.access.origin import is_loopback
from malgil.app.commands import chat_core as core
from malgil.app.settings import load
from malgil.kit import json
from malgil.kit.errors import Invalid
from malgil.resilience.retry import RetryPolicy

_BACKOFF: Final = RetryPolicy(worth=lambda error: True, base=0.2, most=3.0)
_GREY: Final = "bright_black"
_AGAIN: Final = "again"
_QUIET_SECONDS: Final = 0.2  # a message and the turn it starts come as two frames; not to leave between them


def run(*, url: str | None, session: str | None, token: str | None) -> None:
    """Talk until the input ends or Ctrl-C. Raises Invalid for an address that is none; exits 1 when refused."""
    base = url or _own_url()
    name = session or f"chat-{secrets.token_hex(4)}"
    screen = Screen(Console(highlight=False, soft_wrap=True, emoji=False))
    client = Client(socket_url(base, name), token, screen)
    screen.note(f"session {name} · Ctrl-C leaves it, answers go on")
    refused: str | None = None
    with suppress(KeyboardInterrupt):
        refused = asyncio.run(client.talk())
    screen.close()
    if refused:
        typer.echo(f"malgil: {refused}", err=True)
        raise typer.Exit(1)
    again = f" --url {url}" if url else ""
    screen.note(f"come back with: malgil chat --session {name}{again}{' --token …' if token else ''}")


def socket_url(base: str, session: str) -> str:
    """The WebSocket address of a session on the server at `base` (http, https, ws or wss). Raises Invalid."""
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    fault = Invalid(f"{base!r} is not the address of a server; write http://127.0.0.1:8003")
    try:
        parts = urlsplit(base)
        _ = parts.port  # read for its ValueError
    except ValueError:
        raise fault from None
    if parts.scheme not in schemes or not parts.hostname:
        raise fault
    return f"{schemes[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}/ws/{quote(session, safe='')}"


def harmless(text: str) -> str:
    """`text` with every control character but newline and tab replaced: what others write must not steer a terminal."""
    return "".join(one if one in "\n\t" or unicodedata.category(one) != "Cc" else "\ufffd" for one in text)


def _own_url() -> str:
    settings = load().settings
    host = f"[{settings.service_host}]" if ":" in settings.service_host else settings.service_host
    return f"http://{host}:{settings.service_port}"


class Screen:
    """Writes updates to a terminal, text as it comes; an answer that is redone is written again, never unsaid."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open_line = False
        self._speaker = ""  # written before the next text: an answer may think long before its first word

    def show(self, update: core.Update) -> None:
        match update:
            case core.Said(sender, content, mine):
                if not mine:
                    self._line(f"{'you' if sender == 'user' else sender}: {content}", style=None)
            case core.Began():
                self._close_line()
                self._speaker = "agent: "
            case core.Piece(content):
                self._text(content)
            case core.Redone(kept):
                self.note("the answer begins again")
                self._speaker = "agent: "
                self._text(kept)
            case core.Ended(reason):
                self._close_line()
                if reason != "stop":
                    self.note(f"the answer ended: {reason}")
            case core.Notice(text):
                self.note(text)

    def note(self, text: str) -> None:
        """A line about the conversation, not of it."""
        self._line(f"— {text}", style=_GREY)

    def close(self) -> None:
        """End the line that is being written."""
        self._close_line()

    def _line(self, text: str, style: str | None) -> None:
        self._close_line()
        self._console.print(harmless(text), style=style, markup=False)

    def _text(self, text: str) -> None:
        if text:
            self._console.print(self._speaker + harmless(text), end="", markup=False)
            self._speaker = ""
            self._open_line = True

    def _close_line(self) -> None:
        if self._open_line:
            self._console.print()
            self._open_line = False


class Client:
    """One conversation over as many connections as it takes."""

    def __init__(self, url: str, token: str | None, screen: Screen) -> None:
        self._url = url
        self._token = token
        self._screen = screen
        self._conversation = core.Conversation()
        self._socket: ClientConnection | None = None
        self._input_ended = False
        self._met = self._live = False
        self._attempt = 0
        # A proxy of the environment leads out of this machine, not to it.
        self._proxy: Literal[True] | None = None if is_loopback(urlsplit(url).hostname or "") else True

    async def talk(self) -> str | None:
        """Until the input has ended and everything is answered (None), or the server refuses for good (why)."""
        typed: asyncio.Queue[str | None] = asyncio.Queue()
        _read_lines(typed)
        reader = asyncio.create_task(self._say_typed(typed))
        try:
            while (end := await self._connection()) is _AGAIN:
                self._socket = None
                if self._attempt == 0:
                    self._screen.note("reconnecting…")
                await asyncio.sleep(_BACKOFF.delay(self._attempt, random.random()))
                self._attempt += 1
            return end
        finally:
            reader.cancel()

    async def _connection(self) -> str | None:
        """One connection to its end: _AGAIN, None when all is said, or why there is no coming back."""
        try:
            async with connect(
                self._address(), max_size=None, compression=None, open_timeout=10, proxy=self._proxy
            ) as socket:
                await self._follow(socket)
                return None
        except ConnectionClosed as e:
            code = e.rcvd.code if e.rcvd else 1006
            if code == core.RESYNC:
                self._conversation.forget_position()
            return core.FINAL_CLOSES.get(code, _AGAIN)
        except (OSError, InvalidHandshake, TimeoutError) as e:
            if not self._met:
                return f"no Malgil answers at {self._url} ({e}); start one with `malgil serve`, or give --url"
            return _AGAIN
        except (core.Faulty, ValueError):
            return _AGAIN

    def _address(self) -> str:
        query = {"after": self._conversation.cursor} | ({"token": self._token} if self._token else {})
        return f"{self._url}?{urlencode(query)}"

    async def _follow(self, socket: ClientConnection) -> None:
        """Show what arrives, until the connection ends (raises) or nothing more is to come."""
        self._live = False
        for frame in self._conversation.resend():
            await socket.send(json.dumps(frame))
        self._socket = socket
        while True:
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    text = await socket.recv()
            except TimeoutError:
                if self._input_ended and self._live and self._conversation.idle:
                    return
            else:
                self._show(json.loads(text))

    def _show(self, frame: Any) -> None:
        if not isinstance(frame, dict):
            raise core.Faulty("a frame is a JSON object")
        if frame.get("type") == "connected" and self._attempt:
            self._screen.note("connected again")
        for update in self._conversation.feed(frame):
            self._screen.show(update)
        if frame.get("type") == "live":
            self._met, self._live, self._attempt = True, True, 0

    async def _say_typed(self, typed: "asyncio.Queue[str | None]") -> None:
        while (line := await typed.get()) is not None:
            if not line.strip():
                continue
            frame = self._conversation.say(secrets.token_hex(8), line)
            if self._socket is not None:
                with suppress(ConnectionClosed):  # it is kept, and sent again on the next connection
                    await self._socket.send(json.dumps(frame))
        self._input_ended = True


def _read_lines(typed: "asyncio.Queue[str | None]") -> None:
    """Feed `typed` with the lines of standard input, None at its end, from a thread that never holds up the exit."""
    loop = asyncio.get_running_loop()

    def put(line: str | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(typed.put_nowait, line)

    def read() -> None:
        for line in sys.stdin:
            put(line.rstrip("\n"))
        put(None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
