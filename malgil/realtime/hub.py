"""The hub: one tail for each session that somebody in this process watches, fed by the bus, kept right by the log."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from malgil.log.errors import StreamMissing
from malgil.realtime.bus import Bus, Unsubscribe, session_channel
from malgil.realtime.errors import Gone, Resync
from malgil.realtime.frames import Frames
from malgil.realtime.meter import Meter, SilentMeter
from malgil.realtime.reader import LogReader
from malgil.realtime.tail import Tail

QUIET_SECONDS = 30.0
QUIET_ROUNDS = 5

_log = logging.getLogger(__name__)


class _Watched:
    """A tail with what it takes to end it."""

    __slots__ = ("begun", "tail", "unsubscribe")

    def __init__(self, tail: Tail, unsubscribe: Unsubscribe) -> None:
        self.tail = tail
        self.unsubscribe = unsubscribe
        self.begun: asyncio.Task[None] | None = None
        """Reads the head; None when that is done."""


class Hub:
    """Use as a context manager: reconciliation runs while it is open.

    Reconciliation makes delivery independent of the bus: every `interval` seconds one query compares the heads of the
    watched sessions with ours, every fifth time also those of sessions where nothing has moved for 30 s. `interval`
    None turns it off, which only a test that wants to see loss does.
    """

    def __init__(
        self, log: LogReader, bus: Bus, frames: Frames, *, meter: Meter | None = None, interval: float | None = 1.0
    ) -> None:
        self._log = log
        self._bus = bus
        self._frames = frames
        self._meter = meter or SilentMeter()
        self._interval = interval
        self._watched: dict[str, _Watched] = {}
        self._reconciling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._interval is not None:
            self._reconciling = asyncio.create_task(self._reconcile_for_ever(self._interval))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reconciling is not None:
            self._reconciling.cancel()
            await asyncio.gather(self._reconciling, return_exceptions=True)
        for watched in list(self._watched.values()):
            self._end(watched.tail, Resync("The server is closing."))

    @property
    def sessions(self) -> int:
        """How many sessions are watched here."""
        return len(self._watched)

    @asynccontextmanager
    async def watch(self, session_id: str) -> AsyncIterator[Tail]:
        """The session's tail, one for all who watch it here; it may lag by what the bus has not brought yet.

        Raises StreamMissing, and Unavailable when the log cannot be read.
        """
        watched = self._watched.get(session_id)
        if watched is not None and watched.tail.fault is not None:
            self._end(watched.tail, watched.tail.fault)  # it ended by itself, and those who watched it are leaving
            watched = None
        watched = watched or self._open(session_id)
        tail = watched.tail
        tail.watchers += 1
        try:
            # Shielded: the first watcher may go away while others wait for the same beginning.
            if watched.begun is not None:
                await asyncio.shield(watched.begun)
            yield tail
        finally:
            tail.watchers -= 1
            if not tail.watchers:
                self._end(tail, Resync("Nobody watches any more."))

    def still(self, name: str) -> Tail:
        """A tail of its own that never moves, for a connection that follows no session."""
        tail = Tail(name, self._log, self._frames, self._meter)
        tail.head = 0
        return tail

    def _open(self, session_id: str) -> _Watched:
        tail = Tail(session_id, self._log, self._frames, self._meter)
        # First listen, then look: what commits in between is heard, and fetched once we know where we stand.
        unsubscribe = self._bus.subscribe(session_channel(session_id), tail.hear, tail.look)
        watched = self._watched[session_id] = _Watched(tail, unsubscribe)
        watched.begun = asyncio.create_task(self._begin(watched))
        return watched

    async def _begin(self, watched: _Watched) -> None:
        tail = watched.tail
        try:
            epoch, heads = await self._log.heads([tail.session_id])
            if tail.session_id not in heads:
                raise StreamMissing(f"No stream {tail.session_id!r}.")
        except Exception as error:
            # Whoever comes next begins anew instead of sharing this failure.
            self._end(tail, error)
            raise
        tail.begin(epoch, heads[tail.session_id])
        watched.begun = None

    def _end(self, tail: Tail, error: Exception) -> None:
        watched = self._watched.get(tail.session_id)
        if watched is not None and watched.tail is tail:
            del self._watched[tail.session_id]
            watched.unsubscribe()
            if watched.begun is not None and not tail.watchers:
                watched.begun.cancel()
        tail.end(error)

    async def _reconcile_for_ever(self, interval: float) -> None:
        number = 0
        while True:
            await asyncio.sleep(interval)
            number += 1
            try:
                await self.reconcile(quiet_too=number % QUIET_ROUNDS == 0)
            except Exception:
                _log.exception("watched sessions could not be compared with the log, will try again")

    async def reconcile(self, *, quiet_too: bool = True) -> None:
        """Compare once. Behind the log: fetch. Ahead of it, or another epoch: everybody starts again."""
        quiet_since = asyncio.get_running_loop().time() - QUIET_SECONDS
        seen: dict[Tail, int] = {}
        for watched in self._watched.values():
            tail = watched.tail
            quiet = tail.moved_at < quiet_since
            if quiet:
                tail.forget()
            if tail.head >= 0 and (quiet_too or not quiet):
                # What the tail has now was committed before the query starts, so the log cannot be behind it.
                seen[tail] = tail.head
        if not seen:
            return
        epoch, heads = await self._log.heads([tail.session_id for tail in seen])
        for tail, head in seen.items():
            self._compare(tail, head, epoch, heads.get(tail.session_id))

    def _compare(self, tail: Tail, head: int, epoch: str, truth: int | None) -> None:
        if epoch != tail.epoch:
            self._end(tail, Resync("The history has changed."))
        elif truth is None:
            self._end(tail, Gone("The session has been erased."))
        elif truth < head:
            self._end(tail, Resync("The history has been cut."))
        else:
            tail.want(truth)
