"""Trace ids: one for everything that one request or one turn causes, in logs, answers and errors.

W3C `traceparent` comes in; what goes out is `X-Trace-Id: trace_<32 hex>`, the W3C trace id behind our prefix. Ids made
here begin with the time, so they sort by it like every id of Malgil.
"""

import random
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Final

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


def begin_trace(trace_id: str) -> Token[str | None]:
    """As `tracing`, without the context manager, which costs more than it does: give the answer to `end_trace`."""
    return _trace_id.set(trace_id)


def end_trace(before: Token[str | None]) -> None:
    _trace_id.reset(before)


def incoming_trace_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The id of a W3C `traceparent`; None without one, and for one that is malformed."""
    for name, value in headers:
        if name == b"traceparent":
            found = _TRACEPARENT.fullmatch(value)
            # Version 00 is exactly four fields.
            return f"{TRACE}_{found[1].decode()}" if found and (len(value) == 55 or value[:2] != b"00") else None
    return None
