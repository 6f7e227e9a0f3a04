"""Many listening clients in one process: WebSockets and event streams that count what they are sent.

They read nothing but the marks they are told to look for, so that a thousand of them cost little.
"""

import asyncio
import re
import time
from typing import Any

import uvloop

from bench.commands import obey
from bench.figures import percentile

_HEAD = "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
_MORE = {
    "ws": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Sec-WebSocket-Version: 13\r\n",
    "sse": "Accept: text/event-stream\r\n",
}
PATIENCE = 60.0
_STAMP = re.compile(rb'"content":"(\d{10,})"')


class _Listener(asyncio.Protocol):
    def __init__(self, group: "_Group", request: bytes, begun: float) -> None:
        self._group = group
        self._request = request
        self._begun: float | None = begun
        self._last = b""
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        group = self._group
        self._last = data
        if self._begun is None:
            group.marks += data.count(group.mark)
            if group.stamped:
                now = time.monotonic_ns()
                group.lags += [(now - int(one)) / 1e9 for one in _STAMP.findall(data)]
        elif group.first in data:
            group.firsts.append(time.monotonic() - self._begun)
            self._begun = None
            self.open.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._group.lost += 1
        self._group.last_words = f"{self._last[-200:]!r} {exc or ''}"
        if not self.open.done():
            self.open.set_exception(ConnectionResetError())


class _Group:
    """Listeners that were opened together. `first`: what makes a connection count as open."""

    def __init__(self, first: str, mark: str, stamped: bool) -> None:
        self.first = first.encode()
        self.mark = mark.encode()
        self.stamped = stamped
        self.firsts: list[float] = []
        self.lags: list[float] = []
        self.marks = 0
        self.lost = 0
        self.last_words = ""
        self.listeners: list[_Listener] = []


_groups: dict[str, _Group] = {}


async def connect(
    *, group: str, kind: str, port: int, token: str, paths: list[str], first: str, over: float = 0.0,
    window: int = 10_000, mark: str = "stream_chunk", stamped: bool = False,
) -> dict[str, Any]:
    """Open a connection to each path, evenly spread over so many seconds; return when all have seen `first`.

    At most `window` wait for it at a time: more than the server's backlog would be refused by the system.
    {"p50", "p99"} in seconds, from when a client was due to connect until it saw it.
    """
    found = _groups[group] = _Group(first, mark, stamped)
    loop = asyncio.get_running_loop()
    begun = time.monotonic()

    waiting = asyncio.Semaphore(window)

    async def open_one(number: int, path: str) -> None:
        async with waiting:
            due = max(begun + over * number / len(paths), 0.0 if over else time.monotonic())
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            request = _HEAD.format(path=path, token=token, more=_MORE[kind]).encode()
            listener = _Listener(found, request, due)
            await loop.create_connection(lambda: listener, "127.0.0.1", port)
            found.listeners.append(listener)
            await listener.open

    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(open_one(number, path) for number, path in enumerate(paths)))
    except (TimeoutError, ConnectionError) as e:
        served = f"{len(found.firsts)} of {len(paths)} were served, {found.lost} lost"
        raise RuntimeError(f"{served}: {found.last_words}") from e
    return {"p50": percentile(found.firsts, 0.5), "p99": percentile(found.firsts, 0.99)}


async def heard(*, group: str) -> dict[str, Any]:
    """What a group has heard since the last time this was asked."""
    found = _groups[group]
    if found.lost:
        raise RuntimeError(f"{found.lost} connections were lost: {found.last_words}")
    answer = {"marks": found.marks, "lags": found.lags}
    found.marks, found.lags = 0, []
    return answer


async def leave(*, group: str) -> dict[str, Any]:
    """Close the group's connections."""
    for listener in _groups.pop(group).listeners:
        listener.transport.abort()
    return {}


if __name__ == "__main__":
    uvloop.run(obey({"connect": connect, "heard": heard, "leave": leave}))
