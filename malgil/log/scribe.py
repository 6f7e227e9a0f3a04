"""What an action needs besides its transaction: ids, the time, and where committed entries are announced."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from malgil.kit import failpoints
from malgil.kit.clock import Clock
from malgil.kit.ids import Ids
from malgil.log import actions
from malgil.log.model import Append, Entry, Fact, Piece
from malgil.storage.database import UnitOfWork

Announce = Callable[[Sequence[Entry]], Awaitable[None]]


class Scribe:
    """Appends, and announces after the commit what was appended. Losing an announcement loses nothing."""

    def __init__(self, ids: Ids, clock: Clock, announce: Announce) -> None:
        self._ids = ids
        self._clock = clock
        self._announce = announce

    def new_id(self, prefix: str) -> str:
        return self._ids.new(prefix)

    def now(self) -> datetime:
        return self._clock.now()

    async def record(self, uow: UnitOfWork, one: Append) -> list[Entry]:
        """`actions.append`, announced after the commit."""
        entries = await actions.append(uow, one, self.now())
        self._announce_later(uow, entries)
        return entries

    async def erase(self, uow: UnitOfWork, stream: str, fact: Fact, *, actor: str | None = None) -> Entry:
        """`actions.erase`, announced after the commit."""
        entry = await actions.erase(uow, stream, fact, self.now(), actor=actor)
        self._announce_later(uow, [entry])
        return entry

    async def record_many(self, uow: UnitOfWork, appends: Sequence[Append]) -> list[list[Entry] | Exception]:
        """`actions.append_many`, announced after the commit."""
        results = await actions.append_many(uow, appends, self.now())
        self._announce_later(uow, [entry for entries in results if isinstance(entries, list) for entry in entries])
        return results

    async def record_pieces(self, uow: UnitOfWork, pieces: Sequence[Piece]) -> list[Entry | Exception]:
        """`actions.append_pieces`, announced after the commit."""
        results = await actions.append_pieces(uow, pieces, self.now())
        self._announce_later(uow, [entry for entry in results if isinstance(entry, Entry)])
        return results

    def _announce_later(self, uow: UnitOfWork, entries: Sequence[Entry]) -> None:
        told = tuple(entries)  # the caller may change its list
        if told:
            uow.after_commit(lambda: self._tell(told))

    async def _tell(self, entries: Sequence[Entry]) -> None:
        failpoints.reach("log.before_publish")
        await self._announce(entries)
