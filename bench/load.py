"""The load generator: HTTP/1.1 with keep-alive and without pipelining, as lean as Python allows, in its own process.

It parses nothing but the status and the length, so it is never the bottleneck; it reports its own CPU to show that.
"""

import asyncio
import time
from typing import Any

import uvloop

from bench.commands import obey
from bench.figures import percentile


class _Run:
    def __init__(self, opens_at: float, closes_at: float) -> None:
        self.opens_at = opens_at
        self.closes_at = closes_at
        self.total = 0
        self.seconds: list[float] = []
        self.failed = ""


class _Client(asyncio.Protocol):
    """One connection: the next request goes out when the last answer is whole."""

    def __init__(self, request: bytes, run: _Run) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._run = run
        self._buffer = b""
        self._whole = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._whole:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            length = self._buffer.find(b"content-length: ", 0, head) + 16
            self._whole = head + 4 + int(self._buffer[length : self._buffer.find(b"\r", length)])
        if len(self._buffer) < self._whole:
            return
        now = time.perf_counter()
        run = self._run
        if self._buffer[9:10] != b"2":
            run.failed = self._buffer[:600].decode(errors="replace")
        run.total += 1
        if run.opens_at <= self._at and now <= run.closes_at:
            run.seconds.append(now - self._at)
        self._buffer, self._whole = b"", 0
        if now < run.closes_at and not run.failed:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._buffer or self._run.closes_at > time.perf_counter():
            self._run.failed = self._run.failed or f"connection lost: {exc}"
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._at = time.perf_counter()
        self._transport.write(self._request)


async def run(*, port: int, requests: list[str], connections: int, seconds: float, warm: float = 0.3) -> dict[str, Any]:
    """Connection i sends requests[i] (modulo their number) again and again, for `seconds` after `warm`."""
    begun, used = time.perf_counter(), time.process_time()
    state = _Run(begun + warm, begun + warm + seconds)
    loop = asyncio.get_running_loop()
    clients = []
    for i in range(connections):
        client = _Client(requests[i % len(requests)].encode(), state)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    if state.failed:
        raise RuntimeError(state.failed)
    return {
        "total": state.total, "rate": len(state.seconds) / seconds, "p50": percentile(state.seconds, 0.5),
        "p99": percentile(state.seconds, 0.99),
        "own_cpu": (time.process_time() - used) / (time.perf_counter() - begun),
    }


if __name__ == "__main__":
    uvloop.run(obey({"run": run}))
