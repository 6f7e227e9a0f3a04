"""A log in memory, a gate that lets everybody in, and a real server around the transports."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect

from malgil.access.model import Caller, guest
from malgil.kit import json
from malgil.kit.clock import SystemClock
from malgil.kit.errors import NotFound, Unauthenticated, Unavailable
from malgil.kit.ids import UlidIds, UserId
from malgil.log.model import DELTA, Cursor, Entry
from malgil.realtime.announce import announcer
from malgil.realtime.asgi import Receive, Scope, Send
from malgil.realtime.bus import MemoryBus
from malgil.realtime.connection import Room
from malgil.realtime.frames import Frames
from malgil.realtime.gate import Entered, Snapshot
from malgil.realtime.hub import Hub
from malgil.realtime.line import server_options
from malgil.realtime.meter import Meter
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.sse import Entries, Events, EventStream, session_events
from malgil.realtime.typing import Typing
from malgil.realtime.ward import Ward, expiry
from malgil.realtime.websocket import WebSocketEndpoint

QUICK = RealtimeSettings(tick=0.02, close_grace=0.3, stall_seconds=0.4, reconnect_ms=0, max_per_user=1000)


async def eventually(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return as soon as `true()`; fail when that takes too long."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "it never became true"
        await asyncio.sleep(0.005)


def note(stream: str, seq: int, text: str = "") -> Entry:
    """A durable entry."""
    return Entry(stream, seq, seq, "note", {"text": text or f"n{seq}"}, datetime.now(UTC), "kim")


def piece(stream: str, seq: int, index: int, offset: int, content: str, message_id: str = "msg_1") -> Entry:
    """A delta."""
    data = {"message_id": message_id, "attempt": 1, "index": index, "offset": offset, "content": content}
    return Entry(stream, seq, seq, DELTA, data, datetime.now(UTC))


def _noted(entry: Entry) -> dict[str, Any]:
    return {"type": "system", "event": "note", "text": entry.data["text"]}


class FakeLog:
    """A LogReader whose streams grow by `append`; counts what it is asked."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.streams: dict[str, list[Entry]] = {}
        self.reads = 0
        self.heads_asked = 0
        self.down = False
        self.pause: Callable[[], Awaitable[None]] | None = None

    def append(self, stream: str, *texts: str) -> list[Entry]:
        entries = self.streams.setdefault(stream, [])
        fresh = [note(stream, len(entries) + k, text) for k, text in enumerate(texts, 1)]
        entries.extend(fresh)
        return fresh

    def append_piece(self, stream: str, index: int, offset: int, content: str) -> Entry:
        entries = self.streams.setdefault(stream, [])
        entries.append(piece(stream, len(entries) + 1, index, offset, content))
        return entries[-1]

    async def read(self, stream: str, *, after: int, limit: int) -> tuple[str, list[Entry]]:
        self.reads += 1
        await self._wait()
        return self.epoch, [e for e in self.streams.get(stream, []) if e.seq > after][:limit]

    async def heads(self, streams: Sequence[str]) -> tuple[str, dict[str, int]]:
        self.heads_asked += 1
        await self._wait()
        known = {s: self.streams[s] for s in streams if s in self.streams}
        return self.epoch, {s: entries[-1].seq if entries else 0 for s, entries in known.items()}

    async def weight(self, stream: str, *, after: int, most: int) -> tuple[int, int]:
        await self._wait()
        later = [e for e in self.streams.get(stream, []) if e.seq > after][:most]
        return len(later), sum(len(json.dumps(e.data)) for e in later)

    async def _wait(self) -> None:
        await asyncio.sleep(0)
        if self.pause is not None:
            await self.pause()
        if self.down:
            raise Unavailable("The database is down.")


class FakeGate:
    """Sessions named in the log exist; `content` of a message is appended, or names the error it is refused with."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.entering: Exception | None = None
        self.refusals: dict[str, Exception] = {}
        self.received: list[dict[str, Any]] = []
        self.read_only = False

    async def enter(self, caller: Caller, session_id: str) -> Entered:
        if self.entering is not None:
            raise self.entering
        if session_id not in self.world.log.streams:
            if session_id.startswith("sess_"):
                raise NotFound("No such session.")
            self.world.log.streams[session_id] = []
        return Entered(session_id, self.read_only)

    async def receive(self, caller: Caller, session_id: str, frame: dict[str, Any]) -> list[dict[str, Any]]:
        self.received.append(frame)
        content = frame.get("content", frame["type"])
        if content in self.refusals:
            raise self.refusals[content]
        (entry,) = await self.world.say(session_id, content)
        ack = {"type": "ack", "message_id": f"msg_{entry.seq}", "seq": entry.seq, "duplicate": False}
        return [ack | {"client_message_id": frame["client_message_id"]}] if "client_message_id" in frame else []

    async def snapshot(self, caller: Caller, session_id: str) -> Snapshot:
        entries = self.world.log.streams[session_id]
        return Snapshot(Cursor(self.world.log.epoch, len(entries)), [{"seq": e.seq} for e in entries])


class World:
    """One process: everything from the log to the endpoint, wired as app does it."""

    def __init__(
        self, settings: RealtimeSettings, *, log: Any = None, interval: float | None = 0.05, meter: Meter | None = None
    ) -> None:
        self.settings = settings
        self.log = log or FakeLog()
        self.bus = MemoryBus()
        self.hub = Hub(self.log, self.bus, Frames({"note": _noted}), interval=interval, meter=meter)
        self.ward = Ward(settings)
        self.typing = Typing(self.bus, settings)
        self.gate = FakeGate(self)
        self.url = ""
        clock = SystemClock()
        self.endpoint = WebSocketEndpoint(
            self.hub, Room(self.gate, self.typing, settings), self.identify, self.ward, ids=UlidIds(clock), clock=clock,
            meter=meter,
        )

    async def identify(self, scope: Scope) -> Caller:
        """`token` is the user's name, with the seconds it is good for behind a colon; `bad` is none."""
        query = parse_qs(scope["query_string"].decode())
        name, _, seconds = query.get("token", ["guest"])[0].partition(":")
        if name == "bad":
            raise Unauthenticated("That is not a token.")
        expires_at = datetime.now(UTC).timestamp() + float(seconds) if seconds else None
        return replace(guest(), user_id=UserId(name), expires_at=expires_at)

    async def say(self, session_id: str, *texts: str) -> list[Entry]:
        """Commit, then announce."""
        entries = self.log.append(session_id, *texts)
        await self.tell(*entries)
        return entries

    async def tell(self, *entries: Entry) -> None:
        """Announce what was committed."""
        await announcer(self.bus)(entries)

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/events/{session_id}?after=<seq>`, and `/made/…` for the same made by a generator."""
        session_id = scope["path_params"]["session_id"]
        after = int(parse_qs(scope["query_string"].decode()).get("after", ["0"])[0])

        async def events() -> Events:
            async with self.hub.watch(session_id) as tail:
                async for event in session_events(tail, after):
                    yield event

        # The two kinds of streams must look alike from outside.
        shown = events() if "/made/" in scope["path"] else Entries(self.hub, session_id, after)
        caller = await self.identify(scope)
        stream = EventStream(
            shown, self.ward, cursor=f"{self.log.epoch}.{after}", seat=caller,
            expires_at=expiry(caller, datetime.now(UTC)),
        )
        await stream(scope, receive, send)

    def connect(self, session_id: str, query: str = "", *, deflate: bool = False, **options: Any) -> connect:
        compression = "deflate" if deflate else None
        return connect(f"ws{self.url}/ws/{session_id}{query}", proxy=None, compression=compression, **options)


@asynccontextmanager
async def serving(
    settings: RealtimeSettings = QUICK, *, server: dict[str, Any] | None = None,
    more: Callable[[World], list[BaseRoute]] = lambda world: [], **options: Any
) -> AsyncIterator[World]:
    """A world behind a real uvicorn on a free port; `server` instead of our own options for it, `more` to reach."""
    world = World(settings, **options)

    class Streams:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await world.events(scope, receive, send)

    app = Starlette(routes=[
        WebSocketRoute("/ws/{session_id}", world.endpoint),
        WebSocketRoute("/ws/chat/{session_id}", world.endpoint),
        Route("/events/{session_id}", Streams()),
        Route("/made/{session_id}", Streams()),
        *more(world),
    ])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        world.url = f"://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2,
            **(server or server_options(settings)),
        )
        running = uvicorn.Server(config)
        async with world.hub, world.ward:
            task = asyncio.create_task(running._serve([listener]))
            await eventually(lambda: running.started)
            try:
                yield world
            finally:
                running.should_exit = True
                await task


async def frames(client: ClientConnection, until: str | int) -> list[dict[str, Any]]:
    """The frames that come, up to and including the first of a type, or that many. Presence only if asked for."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while True:
            one = json.loads(await client.recv())
            if one["type"] == "presence" != until:
                continue
            found.append(one)
            if found[-1]["type"] == until or len(found) == until:
                return found


async def frame(client: ClientConnection) -> dict[str, Any]:
    return (await frames(client, 1))[0]


async def close_code(client: ClientConnection) -> int | None:
    """The code the server closes with; frames before it are dropped."""
    async with asyncio.timeout(8):
        with contextlib.suppress(Exception):
            while True:
                await client.recv()
    await client.wait_closed()
    return client.close_code


