"""Server-sent events: entries of the log as an HTTP response that never buffers and always can be resumed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing

from malgil.log.errors import EpochChanged
from malgil.log.model import Entry
from malgil.realtime.asgi import Receive, Scope, Send
from malgil.realtime.eager import start
from malgil.realtime.errors import Gone
from malgil.realtime.framed import Framed
from malgil.realtime.line import Line, line_of
from malgil.realtime.meter import Meter, SilentMeter
from malgil.realtime.tail import Tail
from malgil.realtime.ward import Ward

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]

Events = AsyncGenerator[bytes, None]
Project = Callable[[Framed], bytes | None]
"""From an entry to its event, or None for an entry that this stream does not show."""

NEVER = float("inf")
_HEARTBEAT = {"type": "http.response.body", "body": b":\n\n", "more_body": True}
_END = {"type": "http.response.body", "body": b"", "more_body": False}

_log = logging.getLogger(__name__)


async def session_events(tail: Tail, after: int) -> Events:
    """Every entry after the seq as an unnamed event of its native frame, for ever."""
    while True:
        await tail.wait(after)
        batch = await tail.after(after)
        after = batch[-1].seq
        yield b"".join([framed.event for framed in batch])


async def projected_events(tail: Tail, after: int, project: Project, is_last: Callable[[Entry], bool]) -> Events:
    """What `project` makes of the entries after the seq, up to and including the first that `is_last`."""
    while True:
        await tail.wait(after)
        for framed in await tail.after(after):
            after = framed.seq
            event = project(framed)
            if event is not None:
                yield event
            if is_last(framed.entry):
                return


class EventStream:
    """An ASGI response. `events` is closed when the client goes, when the server drains, or when it ends by itself.

    `cursor`, where the stream begins, goes ahead as an event with an `id` and nothing else: a client that loses the
    connection before the first entry resumes from there, and no client shows an empty event.
    """

    def __init__(
        self, events: Events, ward: Ward, *, cursor: str | None = None, meter: Meter | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._events = events
        self._ward = ward
        self._cursor = cursor
        self._meter = meter or SilentMeter()
        self._headers = [*HEADERS, *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = _Stream(self._events, send, line_of(scope), self._ward, self._meter)
        self._meter.opened("sse")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await stream.write(self._preamble())
            stream.begin()
            self._ward.admit(stream)
            # A server says "disconnect" when the client has gone and also when the response is complete.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._ward.release(stream)
            await stream.end()
            self._meter.closed("sse")

    def _preamble(self) -> bytes:
        retry = f"retry: {self._ward.settings.sse_retry_ms}\n\n"
        return (retry if self._cursor is None else f"{retry}id: {self._cursor}\n\n").encode()


class _Stream:
    """One open stream. The task that writes runs beside the ASGI task, which waits for the client to go."""

    __slots__ = (
        "_beat_at", "_beating", "_draining", "_events", "_line", "_meter", "_progress", "_send", "_sending",
        "_stalled_at", "_task", "_ward", "due",
    )

    def __init__(self, events: Events, send: Send, line: Line, ward: Ward, meter: Meter) -> None:
        self._events = events
        self._meter = meter
        self._send = send
        self._line = line
        self._ward = ward
        self._task: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._draining = False
        self._sending = False
        self._progress = -1
        self._stalled_at = asyncio.get_running_loop().time()
        self._beat_at = self._stalled_at + ward.settings.sse_heartbeat
        self.due = 0.0

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Return when nothing of the stream runs any more and its events are closed."""
        tasks = [task for task in (self._task, self._beating) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._events.aclose()

    async def write(self, body: bytes) -> None:
        self._sending = True
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self._sending = False

    async def _run(self) -> None:
        """Write the events, then the end of the response, whatever made the events end."""
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    await self.write(event)
        except asyncio.CancelledError:
            if not self._draining:
                raise
        except (EpochChanged, Gone):
            _log.debug("a stream's history is no more; the client starts again")
        except OSError:
            return
        except Exception:
            _log.exception("an event stream failed")
        self._sending = True
        await self._send(_END)

    # What the ward does.

    def check(self, now: float) -> None:
        unsent = self._line.unsent()
        if not self._sending and self._beating is None:
            self._stalled_at = now
            if now >= self._beat_at:
                # Also when something was said meanwhile: knowing that would cost every event a little.
                self._beat_at = now + self._ward.settings.sse_heartbeat
                self._beating = start(self._beat())
        elif unsent != self._progress:
            self._progress, self._stalled_at = unsent, now
        elif now - self._stalled_at >= self._ward.settings.stall_seconds:
            self._meter.slow_closed()
            self._line.cut()
            self.due = NEVER

    def warn(self, reconnect_ms: int) -> None:
        """EventSource has no word for it; `retry` was said at the beginning."""

    def dismiss(self) -> None:
        self._draining = True
        if self._task is not None:
            # In the loop's next round: cancelled before its first step it would never write the end.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def _beat(self) -> None:
        try:
            await self._send(_HEARTBEAT)
        except OSError:
            _log.debug("a client had gone before its heartbeat")
        finally:
            self._beating = None
