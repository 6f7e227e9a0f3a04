"""Server-sent events: entries of the log as an HTTP response that never buffers and always can be resumed."""

import re
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass

from malgil.access.model import Caller
from malgil.log.errors import EpochChanged
from malgil.log.model import Cursor, Entry
from malgil.realtime.asgi import Receive, Scope, Send
from malgil.realtime.errors import Resync
from malgil.realtime.framed import Framed
from malgil.realtime.hub import Hub
from malgil.realtime.line import line_of
from malgil.realtime.meter import Meter, SilentMeter
from malgil.realtime.tail import Tail
from malgil.realtime.ward import NEVER, Ward
from malgil.realtime.writers import EntriesWriter, Events, EventsWriter, Project, Wire, Writer

__all__ = ["Entries", "EventStream", "Events", "Project", "projected_events", "session_events"]

_SEQ = re.compile(r"[0-9]{1,18}", re.ASCII)

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def native(framed: Framed) -> bytes | None:
    """The entry as the unnamed event of its native frame."""
    return framed.event


def never(entry: Entry) -> bool:
    """No entry is the last."""
    return False


@dataclass(frozen=True, slots=True)
class Entries:
    """What a stream of log entries shows: those after the seq, as `project` has them (None: not shown), up to and
    including the first that `is_last`.

    `after` may also be what a client named: a seq, a cursor or `start`; None: from now.
    """

    hub: Hub
    session_id: str
    after: int | str | None
    project: Project = native
    is_last: Callable[[Entry], bool] = never


async def session_events(tail: Tail, after: int) -> AsyncGenerator[bytes, None]:
    """Every entry after the seq as an unnamed event of its native frame, for ever."""
    async for event in projected_events(tail, after, native, never):
        yield event


async def projected_events(
    tail: Tail, after: int, project: Project, is_last: Callable[[Entry], bool]
) -> AsyncGenerator[bytes, None]:
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
    """An ASGI response. What it shows is either made elsewhere (`Events`, closed when the client goes, the server
    drains, or they end) or entries of a session, which cost less: see EntriesWriter.

    Where the stream begins goes ahead as an event with an `id` and nothing else: a client that loses the connection
    before the first entry resumes from there, and no client shows an empty event. `cursor` is that id where it is not
    the plain cursor. Whose `seat` it takes may have only so many. At `expires_at`, by the event loop's time, it ends.
    """

    def __init__(
        self, shown: Entries | Events, ward: Ward, *, cursor: str | None = None, meter: Meter | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (), seat: Caller | None = None, expires_at: float = NEVER,
    ) -> None:
        self._shown = shown
        self._ward = ward
        self._cursor = cursor
        self._meter = meter or SilentMeter()
        self._headers = [*HEADERS, *headers]
        self._seat = seat
        self._expires_at = expires_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises before anything is sent: StreamMissing or Unavailable when the session cannot be watched, Invalid or
        EpochChanged for an `after` that names no place in it, RateLimited or Unavailable when no place is free."""
        with self._ward.place(self._seat) if self._seat else nullcontext():
            await self._show(Wire(send, line_of(scope), self._ward.settings, self._meter, self._expires_at), receive)

    async def _show(self, wire: Wire, receive: Receive) -> None:
        shown = self._shown
        if not isinstance(shown, Entries):
            await self._serve(EventsWriter(shown, wire), receive, wire.send)
            return
        async with shown.hub.watch(shown.session_id) as tail:
            after = await _place(tail, shown.after)
            self._cursor = self._cursor or str(Cursor(tail.epoch, after))
            writer = EntriesWriter(tail, after, shown.project, shown.is_last, wire)
            await self._serve(writer, receive, wire.send)

    async def _serve(self, writer: Writer, receive: Receive, send: Send) -> None:
        self._meter.opened("sse")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            await send({"type": "http.response.body", "body": self._preamble(), "more_body": True})
            writer.begin()
            self._ward.admit(writer)
            # A server says "disconnect" when the client has gone and also when the response is complete.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._ward.release(writer)
            await writer.end()
            self._meter.closed("sse")

    def _preamble(self) -> bytes:
        retry = f"retry: {self._ward.settings.sse_retry_ms}\n\n"
        return (retry if self._cursor is None else f"{retry}id: {self._cursor}\n\n").encode()


async def _place(tail: Tail, after: int | str | None) -> int:
    if isinstance(after, int):
        return after
    try:
        if after is None:
            return tail.head
        return await tail.locate(f"{tail.epoch}.{int(after)}" if _SEQ.fullmatch(after) else after)
    except Resync as error:
        raise EpochChanged("This cursor is of another history; start without one.") from error
