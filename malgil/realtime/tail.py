"""A tail: where one process stands in one session's log, shared by everybody here who watches that session.

Entries come from the bus as hints and from the log as truth. The rule that makes any bus good enough: the next entry
in order is taken, an older one dropped, and a later one is never taken but sends us to the log for what is missing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextvars import Context
from typing import Protocol

from malgil.log.model import Cursor, Entry
from malgil.realtime.bus import Message
from malgil.realtime.errors import Resync
from malgil.realtime.framed import Framed
from malgil.realtime.frames import Frames
from malgil.realtime.meter import Meter
from malgil.realtime.reader import LogReader
from malgil.realtime.settings import MIB

RING_ENTRIES = 256
RING_BYTES = MIB
PAGE = 100
"""Entries read at a time. A message may be 64 KiB, and every laggard may hold a page."""
SLICE = 128
"""Followers served before the event loop gets a turn: a large session must not delay the others by more than that."""

_log = logging.getLogger(__name__)
# Followers are woken outside of the context of whoever published, whose trace and user are none of their business.
_NOBODY = Context()


class Follower(Protocol):
    """Who wants to be told at once, without a task that waits."""

    def wake(self) -> None:
        """The tail has moved. Must not block or raise."""
        ...

    def fail(self, error: Exception) -> None:
        """The tail is dead. Must not block or raise."""
        ...


class Tail:
    """Made by the hub, which feeds it. `head` is the last seq that may be followed, `epoch` its history.

    `total` counts the bytes of all frames that ever went through; differences of it are how far somebody lags.
    """

    __slots__ = (
        "_filling", "_followers", "_log", "_looking", "_meter", "_ring", "_ring_bytes", "_telling", "_waiters",
        "_wanted", "epoch", "fault", "frames", "head", "moved_at", "session_id", "total", "watchers",
    )

    def __init__(self, session_id: str, log: LogReader, frames: Frames, meter: Meter) -> None:
        self.session_id = session_id
        self.frames = frames
        self.epoch = ""
        self.head = -1
        self.total = 0
        self.moved_at = 0.0
        self.watchers = 0
        self.fault: Exception | None = None
        self._log = log
        self._meter = meter
        self._ring: list[Framed] = []  # a deque would cost each quiet session half a KiB
        self._ring_bytes = 0
        self._wanted = 0
        self._filling: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._followers: dict[Follower, None] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._telling = False

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.epoch, self.head)

    # What the hub does.

    def begin(self, epoch: str, head: int) -> None:
        """Start at `head`. What was heard before is fetched if it lies beyond."""
        self.epoch, self.head = epoch, head
        self.moved_at = asyncio.get_running_loop().time()
        self.want(self._wanted)

    def hear(self, message: Message) -> None:
        """Take from the bus what comes next; fetch what is missing; drop what is old."""
        for entry in message.entries:
            if self.head < 0:  # not begun: remember how far the log has got
                self._wanted = max(self._wanted, entry.seq)
            elif entry.from_seq <= self.head + 1 <= entry.seq:
                self._push(entry)
            elif entry.seq > self.head:
                self.want(entry.seq)

    def look(self) -> None:
        """Ask the log how far it has got: what was told elsewhere until now may not have reached us."""
        self._looking = asyncio.create_task(self._look(), context=_NOBODY.copy())

    def want(self, seq: int) -> None:
        """Make sure that the tail gets to `seq`, which is known to be committed."""
        self._wanted = max(self._wanted, seq)
        if self.head < self._wanted and self.fault is None and self._filling is None:
            self._filling = asyncio.create_task(self._fill(), context=_NOBODY.copy())

    def end(self, error: Exception) -> None:
        """Stop for good: whoever follows or waits gets `error`."""
        if self.fault is not None:
            return
        self.fault = error
        if self._filling is not None and self._filling is not asyncio.current_task():
            self._filling.cancel()
        for follower in tuple(self._followers):
            follower.fail(error)
        self._release_waiters()

    def forget(self) -> None:
        """Let go of the ring; laggards are served from the log. For sessions where nothing has moved for long."""
        self._ring.clear()
        self._ring_bytes = 0

    # What those do who watch.

    def join(self, follower: Follower) -> None:
        """Wake `follower` from now on, or fail it at once if the tail has ended."""
        if self.fault is not None:
            follower.fail(self.fault)
        else:
            self._followers[follower] = None

    def leave(self, follower: Follower) -> None:
        self._followers.pop(follower, None)

    async def locate(self, after: str) -> int:
        """The seq that a client's `after` names: a cursor, or `start`.

        Raises Invalid for what is neither, Resync for a cursor of another history or from beyond the end of this one.
        """
        if after == "start":
            return 0
        cursor = Cursor.parse(after)
        if cursor.epoch != self.epoch:
            raise Resync("The cursor belongs to another history.")
        if cursor.seq > self.head:
            # Another replica may have shown what the bus has not brought here yet; only the log can tell.
            epoch, heads = await self._log.heads([self.session_id])
            truth = heads.get(self.session_id, 0)
            if epoch != self.epoch or cursor.seq > truth:
                raise Resync("The cursor lies beyond the end of the log.")
            self.want(truth)
        return cursor.seq

    async def wait(self, after: int) -> None:
        """Return when `head` is past `after`. Raises Resync (or Gone) when the tail has ended."""
        while self.head <= after or self.fault is not None:
            if self.fault is not None:
                raise self.fault
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter.cancelled():
                    self._waiters.remove(waiter)

    def recent(self, after: int) -> Sequence[Framed] | None:
        """What came after the seq, from the ring; None when the ring does not reach back so far."""
        ring = self._ring
        if not ring or ring[0].from_seq > after + 1:
            return None if after < self.head else ()
        if ring[-1].from_seq == after + 1:
            return (ring[-1],)
        found = []
        for framed in reversed(ring):
            if framed.seq <= after:
                break
            found.append(framed)
        found.reverse()
        return found

    async def after(self, after: int) -> Sequence[Framed]:
        """Some of what came after the seq, which must lie below `head`: from the ring or else a page of the log."""
        found = self.recent(after)
        if found is not None:
            return found
        page = await self._read(after)
        if not page:
            raise Resync(f"The log of {self.session_id} ends before its head.")
        return [Framed(entry, self.epoch, self.frames) for entry in page]

    async def follow(self, after: int) -> AsyncIterator[Sequence[Framed]]:
        """Everything after the seq, for ever, in batches. Raises what `wait` raises."""
        while True:
            await self.wait(after)
            batch = await self.after(after)
            yield batch
            after = batch[-1].seq

    async def weight(self, after: int, most: int) -> tuple[int, int]:
        """(entries, bytes) that a replay after the seq would take, looking at no more than `most` entries."""
        found = self.recent(after)
        if found is not None:
            return len(found), sum(framed.size for framed in found)
        return await self._log.weight(self.session_id, after=after, most=most)

    # How it works.

    def _push(self, entry: Entry) -> None:
        framed = Framed(entry, self.epoch, self.frames)
        self.head = entry.seq
        self.total += framed.size
        if self._ring and framed.from_seq <= self._ring[0].from_seq:
            self.forget()  # it stands for all of these
        self._ring.append(framed)
        self._ring_bytes += framed.size
        while len(self._ring) > RING_ENTRIES or (self._ring_bytes > RING_BYTES and len(self._ring) > 1):
            self._ring_bytes -= self._ring.pop(0).size
        loop = asyncio.get_running_loop()
        self.moved_at = loop.time()
        if not self._telling:
            # Not now but in the loop's next round: the publisher goes on first, and a burst is told once.
            self._telling = True
            loop.call_soon(self._tell, context=_NOBODY)

    def _tell(self) -> None:
        self._telling = False
        self._release_waiters()
        self._wake(tuple(self._followers), 0)

    def _wake(self, followers: tuple[Follower, ...], start: int) -> None:
        for follower in followers[start : start + SLICE]:
            follower.wake()
        if start + SLICE < len(followers):
            asyncio.get_running_loop().call_soon(self._wake, followers, start + SLICE, context=_NOBODY)
        elif self._ring:
            self._meter.delivered(self._ring[-1].entry.at)

    def _release_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _read(self, after: int) -> list[Entry]:
        epoch, entries = await self._log.read(self.session_id, after=after, limit=PAGE)
        if epoch != self.epoch:
            raise Resync("The history has changed.")
        return entries

    async def _look(self) -> None:
        """What fails here is found out by the hub's next reconciliation."""
        try:
            _, heads = await self._log.heads([self.session_id])
        except Exception:
            _log.info("the log of %s could not be asked for its head", self.session_id, exc_info=True)
            return
        finally:
            self._looking = None
        head = heads.get(self.session_id, 0)
        if self.head < 0:
            self._wanted = max(self._wanted, head)
        else:
            self.want(head)

    async def _fill(self) -> None:
        """Fetch up to the wanted seq. What fails here is tried again by the hub's next reconciliation."""
        try:
            while self.head < self._wanted:
                page = await self._read(self.head)
                fresh = [entry for entry in page if entry.seq > self.head]
                if not fresh:
                    break
                self._meter.gap_mended()
                for entry in fresh:
                    self._push(entry)
        except Resync as error:
            self.end(error)
        except Exception:
            _log.exception("the log of %s could not be read, will try again", self.session_id)
        finally:
            self._filling = None
