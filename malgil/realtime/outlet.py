"""The writing half of a WebSocket: brings one client up to the tail, and closes it when it will not be brought."""

import asyncio
import logging
import random
from collections.abc import Sequence

from malgil.kit import json
from malgil.kit.errors import MalgilError
from malgil.log.model import Cursor
from malgil.realtime import replies
from malgil.realtime.asgi import Send
from malgil.realtime.eager import start
from malgil.realtime.framed import Framed, merge_deltas
from malgil.realtime.gate import Entered
from malgil.realtime.line import Line
from malgil.realtime.meter import Meter
from malgil.realtime.settings import RealtimeSettings
from malgil.realtime.tail import Tail

SYNC_BEATS = 3
NEVER = float("inf")

_log = logging.getLogger(__name__)


class Outlet:
    """One client's place in the log and what it is to be told.

    Log entries are not queued here: `_seq` is how far the client has been told, and the tail (or the log behind it)
    has the rest. So a slow client costs its socket buffer, at most one page, and nothing else. Only direct answers are
    queued; the reading half waits for them to go (`answered`), so a client that does not read is not listened to.

    All writing is one coroutine, `_write`, which ends when nothing is left to say. It is started eagerly: as long as
    the socket takes what it is given, a whole fan-out runs without a task, and an idle connection has no writer at
    all. When the socket is full, what is left of the coroutine becomes the connection's one writer task.
    """

    __slots__ = (
        "_answers", "_beats", "_busy", "_closing", "_cut_at", "_entered", "_expires_at", "_hints", "_line", "_mark",
        "_meter", "_next_beat", "_paging", "_progress", "_replaying", "_room", "_seek", "_send", "_seq", "_settings",
        "_stalled_at", "_tail", "_task", "due", "heard_at",
    )

    def __init__(
        self, send: Send, line: Line, tail: Tail, *, after: int, settings: RealtimeSettings, meter: Meter,
        expires_at: float = NEVER, entered: Entered | None = None,
    ) -> None:
        now = asyncio.get_running_loop().time()
        self._send = send
        self._line = line
        self._tail = tail
        self._settings = settings
        self._meter = meter
        self._entered = entered
        self._seq = after
        self._seek: int | None = None
        self._replaying = False
        self._mark = tail.total
        self._answers: list[str] = []
        self._hints: dict[str, str] | None = None
        self._busy = False
        self._paging = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._progress: tuple[int, int, int] | None = None
        self._stalled_at = now
        self._cut_at = NEVER
        self._beats = 0
        # Connections that came together need not all be pinged together ever after.
        self._next_beat = now + settings.heartbeat * (0.5 + random.random() / 2)
        self._expires_at = expires_at
        self.heard_at = now
        self.due = now

    # What the reading half does.

    def say(self, text: str) -> None:
        """Send a direct answer."""
        self._answers.append(text)
        self.wake()

    def hint(self, key: str, text: str) -> None:
        """Send something of which only the newest by `key` matters, when there is nothing else to say."""
        if self._hints is None:
            self._hints = {}
        self._hints[key] = text
        self.wake()

    def seek(self, after: int, *preface: str) -> None:
        """Go on from another place in the log, saying `preface` first; `live` follows when the tail is reached."""
        self._answers.extend(preface)
        self._seek = after
        self.wake()

    async def answered(self) -> None:
        """Return when all answers have gone to the socket, or never will."""
        while self._answers and not self._closing:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; nothing is said after it. A client that does not take it in time is cut."""
        if self._closing:
            return
        self._stop()
        self._cut_at = asyncio.get_running_loop().time() + self._settings.close_grace
        self._task = start(self._farewell(code, reason))

    async def ended(self) -> None:
        """The connection is gone: stop writing, and return when nothing of ours runs any more."""
        self._stop()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    # What the tail does.

    def wake(self) -> None:
        if self._busy or self._closing:
            return
        self._busy = True
        self._task = start(self._write())
        if self._task is not None:
            self.due = 0.0  # it waits for the socket or for a page: have an eye on it

    def fail(self, error: Exception) -> None:
        code = replies.close_code(error) if isinstance(error, MalgilError) else replies.INTERNAL
        self.close(code, str(error))

    # What the ward does.

    def check(self, now: float) -> None:
        silent_at = max(self.heard_at, self._line.heard_at) + self._settings.connection_timeout
        if self._closing:
            if now >= self._cut_at:
                self._line.cut()
                self._cut_at = NEVER
            self.due = self._cut_at
        elif now >= self._expires_at:
            self.close(replies.EXPIRED, "The token has expired.")
        elif now >= silent_at:
            self.close(replies.SILENT, "Nothing was heard for too long.")
        elif self._busy:
            self._check_progress(now)
        else:
            self.due = min(self._next_beat, self._expires_at, silent_at)
            self._beat(now)
            self.wake()  # a page that could not be read is tried again

    def warn(self, reconnect_ms: int) -> None:
        self.say(json.dumps({"type": "goaway", "reconnect_in_ms": reconnect_ms}))

    def dismiss(self) -> None:
        self.close(replies.GOING_AWAY, "The server is going away.")

    # How it works.

    async def _write(self) -> None:
        """Say what there is to say. Raises nothing: it runs as part of whoever woke it."""
        try:
            while not self._closing:
                if self._seek is not None:
                    self._seq, self._seek, self._replaying = self._seek, None, True
                if self._answers:
                    await self._say_next()
                elif self._seq < self._tail.head:
                    await self._advance()
                elif self._replaying:
                    self._replaying = False
                    await self._say({"type": "live", "cursor": str(Cursor(self._tail.epoch, self._seq))})
                elif self._hints:
                    await self._send({"type": "websocket.send", "text": self._hints.pop(next(iter(self._hints)))})
                elif self._hints is not None:
                    self._hints = None  # an idle connection need not keep an empty dict
                else:
                    self._mark = self._tail.total
                    break
        except OSError:
            self._stop()  # the client has gone; the reading half hears of it too
        except Exception as error:
            self._failed(error)
        finally:
            self._busy = False

    async def _say_next(self) -> None:
        await self._send({"type": "websocket.send", "text": self._answers[0]})
        del self._answers[0]
        if not self._answers:
            self._make_room()

    async def _say(self, frame: dict[str, object]) -> None:
        await self._send({"type": "websocket.send", "text": json.dumps(frame)})

    async def _advance(self) -> None:
        """Send what the ring has, or a page. Answers do not wait for the rest of it, nor does a seek."""
        for framed in await self._batch():
            if not self._line.write(framed.wire):
                await self._send({"type": "websocket.send", "text": framed.text})
            self._seq = framed.seq
            self._mark += framed.size
            if framed.ruling is not None:
                self._obey(framed)
            if self._answers or self._closing or self._seek is not None:
                return

    def _obey(self, framed: Framed) -> None:
        if self._entered is None or framed.ruling is None:
            return
        error = self._entered.obey(framed.ruling, framed.seq)
        if error is not None:
            self.fail(error)

    async def _batch(self) -> Sequence[Framed]:
        batch = self._tail.recent(self._seq)
        if batch is None:
            self._paging = True
            try:
                batch = await self._tail.after(self._seq)
            finally:
                self._paging = False
        if self._tail.total - self._mark > self._settings.merge_bytes:
            batch = merge_deltas(batch, self._tail.frames)
        return batch

    async def _farewell(self, code: int, reason: str) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": replies.close_reason(reason)})
        except (OSError, RuntimeError):
            _log.debug("a client had gone before it was told %s", code)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, MalgilError) and replies.close_code(error) != replies.FULL:
            self.fail(error)
            return
        # The log could not be read: the client keeps its place, and the next check tries again.
        _log.warning("a page of the log could not be read", exc_info=error)
        self.due = 0.0

    def _check_progress(self, now: float) -> None:
        """Close a client that takes nothing for too long, or that has fallen too far behind while it takes nothing."""
        progress = (self._seq, len(self._answers), self._line.unsent())
        self.due = 0.0
        if self._paging or progress != self._progress:
            self._progress, self._stalled_at = progress, now
            return
        lagging = self._tail.total - self._mark > self._settings.lag_bytes
        if lagging or now - self._stalled_at >= self._settings.stall_seconds:
            self._meter.slow_closed()
            self.close(replies.SLOW, "Too slow; resume from the last cursor.")

    def _beat(self, now: float) -> None:
        if now < self._next_beat:
            return
        self._next_beat = now + self._settings.heartbeat
        self._beats += 1
        self._line.ping()
        if self._beats % SYNC_BEATS == 0 and self._tail.epoch:
            self.say(json.dumps({"type": "sync", "head": self._tail.head}))

    def _stop(self) -> None:
        self._closing = True
        self.due = 0.0
        self._make_room()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _make_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
