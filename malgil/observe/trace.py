"""Trace ids: one for everything that one request or one turn causes, in logs, answers and errors.

W3C `traceparent` comes in; what goes out is `X-Trace-Id: trace_<32 hex>`, the W3C trace id behind our prefix. Ids made
here begin with the time, so they sort by it like every id of Malgil.
"""

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from malgil.kit.clock import Clock
from malgil.kit.ids import TRACE

# version, trace id, parent id, flags; a later version may carry more after another dash
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)

_trace_id: ContextVar[str | None] = ContextVar("malgil_trace_id", default=None)


def current_trace_id() -> str | None:
    """The trace id of what is being done now; None outside any request, connection or turn."""
    return _trace_id.get()


def new_trace_id(clock: Clock) -> str:
    """A fresh `trace_<32 hex>`: 48 bits of milliseconds, 80 of randomness."""
    millis = int(clock.now().timestamp() * 1000)
    # Told apart, not kept secret: the system's randomness would cost a call into the kernel for each request.
    return f"{TRACE}_{millis:012x}{random.getrandbits(80):020x}"


@contextmanager
def tracing(trace_id: str) -> Iterator[None]:
    """Everything inside, tasks started there too, belongs to `trace_id`."""
    before = _trace_id.set(trace_id)
    try:
        yield
    finally:
        _trace_id.reset(before)


class TraceLayer:
    """Pure ASGI, outermost: gives every request and connection its trace id, and every HTTP response the header."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        trace_id = _incoming(scope) or new_trace_id(self._clock)
        header = (b"x-trace-id", trace_id.encode())

        async def traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        before = _trace_id.set(trace_id)
        try:
            # A socket sends thousands of frames and none of them carries headers: its `send` stays bare.
            await self._app(scope, receive, traced if scope["type"] == "http" else send)
        finally:
            _trace_id.reset(before)


def _incoming(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            found = _TRACEPARENT.fullmatch(value)
            # Version 00 is exactly four fields.
            return f"{TRACE}_{found[1].decode()}" if found and (len(value) == 55 or value[:2] != b"00") else None
    return None
