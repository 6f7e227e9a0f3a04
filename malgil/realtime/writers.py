"""The writing half of an event stream, in two kinds: for events made elsewhere, and for entries of a session."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from malgil.log.errors import EpochChanged
from malgil.log.model import Entry
from malgil.realtime.asgi import Send
from malgil.realtime.eager import start
from malgil.realtime.errors import Gone
from malgil.realtime.framed import Framed
from malgil.realtime.line import Line
from malgil.realtime.meter import Meter
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.tail import Tail
from malgil.realtime.ward import NEVER

Events = AsyncGenerator[bytes, None]
Project = Callable[[Framed], bytes | None]
"""From an entry to its event, or None for an entry that the stream does not show."""

CHUNK_BYTES = 65_536
"""Events are written together up to about this size, so that a page does not land in the socket's buffer whole."""
_HEARTBEAT = {"type": "http.response.body", "body": b":\n\n", "more_body": True}
_END = {"type": "http.response.body", "body": b"", "more_body": False}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wire:
    """Where a stream is written, by which rules, and until when (by the event loop's time)."""

    send: Send
    line: Line
    settings: RealtimeSettings
    meter: Meter
    expires_at: float = NEVER


class Writer(ABC):
    """What both kinds have in common: heartbeats, and an eye on a client that does not read. `sending` is true while
    something is being written, and for ever when the end has been."""

    __slots__ = (
        "_beat_at", "_beating", "_expires_at", "_progress", "_send", "_stalled_at", "_wire", "due", "sending",
    )

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._send = wire.send
        self._beating: asyncio.Task[None] | None = None
        self._progress = -1
        self._stalled_at = asyncio.get_running_loop().time()
        self._beat_at = self._stalled_at + wire.settings.sse_heartbeat
        self._expires_at = wire.expires_at
        self.sending = False
        self.due = 0.0

    @abstractmethod
    def begin(self) -> None:
        """Write from now on, up to and including the end of the response."""

    @abstractmethod
    def dismiss(self) -> None:
        """End the response now: the server is going away, or the client's token has expired."""

    @abstractmethod
    async def end(self) -> None:
        """The client is gone: return when nothing of the stream runs any more."""

    def warn(self, reconnect_ms: int) -> None:
        """EventSource has no word for it; `retry` was said at the beginning."""
        _log.debug("an event stream goes away, its client was told to come back")

    def check(self, now: float) -> None:
        """Cut a client that takes nothing for too long; end when its token expires; let it hear a heartbeat."""
        if now >= self._expires_at:
            self._expires_at = NEVER
            self.dismiss()
        unsent = self._wire.line.unsent()
        if unsent != self._progress or not (unsent or self.sending or self._beating):
            self._progress, self._stalled_at = unsent, now
        elif now - self._stalled_at >= self._wire.settings.stall_seconds:
            self._wire.meter.slow_closed()
            self._wire.line.cut()
            self.due = NEVER
            return
        if now >= self._beat_at and not self.sending and self._beating is None:
            # Also when something was said meanwhile: knowing that would cost every event a little.
            self._beat_at = now + self._wire.settings.sse_heartbeat
            self._beating = start(self._beat())

    async def _beat(self) -> None:
        try:
            await self._send(_HEARTBEAT)
        except OSError:
            _log.debug("a client had gone before its heartbeat")
        finally:
            self._beating = None

    async def _write_end(self) -> None:
        """Nothing may be written after it, heartbeats neither."""
        self.sending = True
        await self._send(_END)

    async def _cancel(self, *tasks: "asyncio.Task[None] | None") -> None:
        running = [task for task in (*tasks, self._beating) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class EventsWriter(Writer):
    """Events made elsewhere, written by a task; they are closed when the writing ends, whatever ends it."""

    __slots__ = ("_draining", "_events", "_task")

    def __init__(self, events: Events, wire: Wire) -> None:
        super().__init__(wire)
        self._events = events
        self._task: asyncio.Task[None] | None = None
        self._draining = False

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    def dismiss(self) -> None:
        self._draining = True
        if self._task is not None:
            # In the loop's next round: cancelled before its first step it would never write the end.
            asyncio.get_running_loop().call_soon(self._task.cancel)

    async def end(self) -> None:
        await self._cancel(self._task)
        await self._events.aclose()

    async def _run(self) -> None:
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    self.sending = True
                    await self._send({"type": "http.response.body", "body": event, "more_body": True})
                    self.sending = False
        except asyncio.CancelledError:
            if not self._draining:
                raise
        except OSError:
            return
        except Exception as error:
            _report(error)
        await self._write_end()


class EntriesWriter(Writer):
    """Entries of a session, written as they come without a task that waits for them: see Outlet, which does the same
    for a WebSocket. At a thousand streams of twenty entries a second each this is half of the cost."""

    __slots__ = ("_after", "_busy", "_is_last", "_over", "_project", "_tail", "_task")

    def __init__(self, tail: Tail, after: int, project: Project, is_last: Callable[[Entry], bool], wire: Wire) -> None:
        super().__init__(wire)
        self._tail = tail
        self._after = after
        self._project = project
        self._is_last = is_last
        self._busy = False
        self._over = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._tail.join(self)
        self.wake()

    def dismiss(self) -> None:
        self._finish()

    async def end(self) -> None:
        self._over = True
        self._tail.leave(self)
        await self._cancel(self._task)

    # What the tail does.

    def wake(self) -> None:
        if not self._busy and not self._over:
            self._busy = True
            self._task = start(self._write())

    def fail(self, error: Exception) -> None:
        _report(error)
        self._finish()

    # How it works.

    async def _write(self) -> None:
        """Write what there is to show, and the end if there is no more. Raises nothing: it runs as part of whoever
        woke it."""
        try:
            while self._after < self._tail.head and not self._over:
                recent = self._tail.recent(self._after)
                await self._show(await self._tail.after(self._after) if recent is None else recent)
        except OSError:
            self._over = True  # the client has gone; the ASGI task hears of it too
            return
        except Exception as error:
            _report(error)
            self._over = True
        finally:
            self._busy = False
        if self._over:
            await self._say_the_end()

    async def _show(self, batch: Sequence[Framed]) -> None:
        chunk: list[bytes] = []
        size = 0
        for framed in batch:
            self._after = framed.seq
            event = self._project(framed)
            if event is not None:
                chunk.append(event)
                size += len(event)
            self._over = self._is_last(framed.entry)
            if self._over or size >= CHUNK_BYTES:
                break
        if not chunk or self._wire.line.write(body := b"".join(chunk)):
            return
        self.sending = True
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        self.sending = False

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        if self._task is not None:
            self._task.cancel()
        self._task = start(self._say_the_end())

    async def _say_the_end(self) -> None:
        try:
            await self._write_end()
        except OSError:
            _log.debug("a client had gone before the end of its stream")


def _report(error: Exception) -> None:
    if isinstance(error, EpochChanged | Gone):
        _log.debug("a stream's history is no more; its client starts again")
    else:
        _log.error("an event stream failed", exc_info=error)
