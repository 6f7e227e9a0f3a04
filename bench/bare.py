"""The limit: the same server stack, with a raw ASGI handler that does the same bytes and nothing else.

    python -m bench.bare {constant | select | streams | sockets} PORT

Obeys commands. The garbage collector is set as the product sets it.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import uvicorn
import uvloop

from bench.commands import obey
from bench.drive import pieces, stamps

App = Callable[[Any, Any, Any], Awaitable[None]]

# As in malgil.app.serve and malgil.realtime.sse; written again, so that nothing of the product is in this process.
_GC_THRESHOLDS = (50_000, 20, 100)
_BACKLOG = 2048
_JSON = (b"content-type", b"application/json")
_EVENTS = [
    (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class Constant:
    """GET: the body it was given."""

    def __init__(self) -> None:
        self._body = b'{"status":"ok"}'

    async def body(self, *, body: str) -> dict[str, Any]:
        self._body = body.encode()
        return {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await _answer(send, self._body)

    @property
    def commands(self) -> dict[str, Any]:
        return {"body": self.body}


class Select(Constant):
    """GET: one SELECT, its rows left as the driver made them; then the body it was given."""

    def __init__(self) -> None:
        super().__init__()
        self._pool: Any = None

    async def prepare(self, *, url: str, sql: str, arguments: list[Any], size: int) -> dict[str, Any]:
        self._sql, self._arguments = sql, arguments
        self._pool = await asyncpg.create_pool(url, min_size=size, max_size=size, reset=_keep)
        return {"rows": len(await self._pool.fetch(sql, *arguments))}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._pool.acquire() as conn:
            await conn.fetch(self._sql, *self._arguments)
        await _answer(send, self._body)

    @property
    def commands(self) -> dict[str, Any]:
        return {"body": self.body, "prepare": self.prepare}


class Streams:
    """Event streams: what is put into a stream's queue is sent."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[bytes]] = {}
        self._event = b""

    async def event(self, *, event: str) -> dict[str, Any]:
        self._event = event.encode()
        return {}

    async def pieces(self, **how: Any) -> dict[str, Any]:
        queues = list(self._queues.values())

        async def tell(stream: int) -> None:
            queues[stream].put_nowait(self._event)

        return await pieces(lambda stream, text: stream, tell, **how)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        queue = self._queues[scope["path"]] = asyncio.Queue()
        await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        await send({"type": "http.response.body", "body": self._event, "more_body": True})
        while True:
            await send({"type": "http.response.body", "body": await queue.get(), "more_body": True})

    @property
    def commands(self) -> dict[str, Any]:
        return {"event": self.event, "pieces": self.pieces}


class Sockets:
    """WebSockets: those on /all are sent every piece, the one on /one the stamps."""

    def __init__(self) -> None:
        self._all: list[Any] = []
        self._one: Any = None
        self._frame = ("", "")

    async def frame(self, *, before: str, after: str) -> dict[str, Any]:
        """The frame, but for the text in it."""
        self._frame = before, after
        return {}

    async def pieces(self, **how: Any) -> dict[str, Any]:
        return await pieces(self._prepare, self._tell_all, **how)

    async def both(self, *, stream: int, stamp_rate: float, **how: Any) -> dict[str, Any]:
        stamped = stamps(self._prepare, self._tell_one, stream=stream, rate=stamp_rate, seconds=how["seconds"])
        found, _ = await asyncio.gather(self.pieces(**how), stamped)
        return found

    def _prepare(self, stream: int, text: str) -> dict[str, Any]:
        return {"type": "websocket.send", "text": text.join(self._frame)}

    async def _tell_all(self, message: dict[str, Any]) -> None:
        for send in self._all:
            await send(message)

    async def _tell_one(self, message: dict[str, Any]) -> None:
        await self._one(message)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/one":
            self._one = send
        else:
            self._all.append(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        if send in self._all:
            self._all.remove(send)

    @property
    def commands(self) -> dict[str, Any]:
        return {"frame": self.frame, "pieces": self.pieces, "both": self.both}


async def _answer(send: Any, body: bytes) -> None:
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _keep(conn: Any) -> None:
    """No reset between users, as in the product."""


class _Server(uvicorn.Server):
    """Obeys commands once it serves, and ends with them."""

    def __init__(self, config: uvicorn.Config, commands: dict[str, Any]) -> None:
        super().__init__(config)
        self._commands = commands

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        self._obeying = asyncio.create_task(self._obey())

    async def _obey(self) -> None:
        await obey(self._commands)
        self.should_exit = True


async def _serve(app: Any, port: int) -> None:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, http="httptools", ws="websockets-sansio", ws_per_message_deflate=False,
        ws_ping_interval=None, ws_ping_timeout=None, loop="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=1, backlog=_BACKLOG,
    )
    await _Server(config, app.commands).serve()


_APPS = {"constant": Constant, "select": Select, "streams": Streams, "sockets": Sockets}

if __name__ == "__main__":
    uvloop.run(_serve(_APPS[sys.argv[1]](), int(sys.argv[2])))
