"""Unread counts as they change, told to every device of those whom they concern.

They are hints on the user's channel of the bus, told behind the posting of messages: announced entries are gathered
for a moment, then one query counts for many sessions at once. What gets lost on the way is told anew to whoever
connects, and the list of sessions always counts for itself.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

from malgil.access.model import Caller
from malgil.agents.events import AnswerEnded
from malgil.chat.events import AnswerSuperseded, MessageCreated, MessageDeleted, SessionErased
from malgil.chat.members import store
from malgil.log.model import Entry
from malgil.realtime.bus import Bus, Message, user_channel
from malgil.realtime.user_socket import UNREAD
from malgil.storage.database import Connection, Database, Row

GATHER_SECONDS = 0.2
SESSIONS_A_ROUND = 500
SESSIONS_MOST = 10_000
"""Sessions that may wait to be counted; hints for more are dropped."""
PEOPLE_MOST = 100
"""In a larger session counts are not told as they change."""
TOLD_MOST = 100
"""Sessions that somebody is told of who connects, and among how many of their liveliest they are looked for."""
LOOKED_AT = 1000

_COUNTED = frozenset({
    MessageCreated.kind, AnswerEnded.kind, AnswerSuperseded.kind, MessageDeleted.kind, SessionErased.kind,
})

_log = logging.getLogger(__name__)


class _Whom:
    """Whom a change in a session concerns: all but these (None: nobody in general), and in any case those."""

    __slots__ = ("all_but", "also")

    def __init__(self) -> None:
        self.all_but: frozenset[str] | None = None
        self.also: set[str] = set()

    def add_all_but(self, user_ids: frozenset[str]) -> None:
        self.all_but = user_ids if self.all_but is None else self.all_but & user_ids

    def __contains__(self, user_id: str) -> bool:
        return user_id in self.also or (self.all_but is not None and user_id not in self.all_but)


class UnreadTeller:
    """One for the process; use as a context manager. `announce` and `has_read` only note, and never wait."""

    def __init__(self, database: Database, bus: Bus, *, gather: float = GATHER_SECONDS) -> None:
        self._database = database
        self._bus = bus
        self._gather = gather
        self._waiting: dict[str, _Whom] = {}
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="unread-teller")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def announce(self, entries: Sequence[Entry]) -> None:
        """Note in which of the sessions there may be something new."""
        for entry in entries:
            if entry.kind in _COUNTED and (whom := self._noted(entry.stream)):
                own = entry.kind == MessageCreated.kind and entry.data["sender_type"] == "user"
                whom.add_all_but(frozenset({entry.data["sender_id"]}) if own else frozenset())

    async def has_read(self, session_id: str, user_id: str) -> None:
        """Note that for this user there is less that is new."""
        if whom := self._noted(session_id):
            whom.also.add(user_id)

    def _noted(self, session_id: str) -> _Whom | None:
        whom = self._waiting.get(session_id)
        if whom is None and len(self._waiting) < SESSIONS_MOST:
            whom = self._waiting[session_id] = _Whom()
            self._some.set()
        return whom

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(self._gather)
            first = tuple(islice(self._waiting, SESSIONS_A_ROUND))
            batch = {session_id: self._waiting.pop(session_id) for session_id in first}
            if not self._waiting:
                self._some.clear()
            try:
                await self._tell(batch)
            except Exception:
                _log.warning("unread counts could not be told", exc_info=True)

    async def _tell(self, batch: dict[str, _Whom]) -> None:
        async with self._database.read() as conn:
            rows = await store.unread_in(conn, list(batch), PEOPLE_MOST)
        for row in rows:
            if row["user_id"] in batch[row["session_id"]]:
                data = _told(row) | {"tenant": row["tenant"]}
                await self._bus.publish(user_channel(row["user_id"]), Message(UNREAD, data=data))


async def frames_of(conn: Connection, caller: Caller) -> list[dict[str, Any]]:
    """The `unread` frames of a caller who connects: sessions with something new, the liveliest first."""
    rows = await store.unread_of(conn, caller.user_id, caller.tenant, TOLD_MOST, LOOKED_AT)
    return [{"type": UNREAD} | _told(row) for row in rows]


def _told(row: Row) -> dict[str, Any]:
    """`last_seq` is up to where one has to read for nothing to be unread."""
    unread = row["unread"] or 0
    return {"session_id": row["session_id"], "unread_count": unread, "last_seq": row["last_seq"] or row["read_seq"]}
