"""Keeps the index: a consumer of the whole log that reads each touched message as it is now.

Entries say only which messages to look at, so their order does not matter and a replay does no harm; a message that
changes again has another entry coming.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from malgil.agents.events import AnswerEnded
from malgil.chat.events import MessageCreated, MessageDeleted, MessageEdited, SessionErased
from malgil.chat.search import store
from malgil.chat.search.store import Reading
from malgil.knowledge.terms import Unready, Vocabulary, keys_of
from malgil.log.consumers import Consumed, consume
from malgil.storage.database import Database, Row, UnitOfWork

CONSUMER = "chat.search"
BATCH = 200
AT_ONCE = 20
PAUSE_SECONDS = 60.0
"""How long the transaction may stand still while AT_ONCE messages are read."""
COUNT_MOST = 2**15 - 1

TOUCHING = frozenset({MessageCreated.kind, MessageEdited.kind, MessageDeleted.kind, AnswerEnded.kind})


class Indexer:
    """Call it for one batch at a time. Several processes take turns. `reached` is told the time of what it indexed."""

    def __init__(
        self, database: Database, vocabulary: Vocabulary, reached: Callable[[datetime], None] | None = None
    ) -> None:
        self._database = database
        self._vocabulary = vocabulary
        self._reached = reached

    async def __call__(self) -> int:
        """Index what comes next in the log; how many entries that were, 0 at its end.

        While words cannot be read it waits, outside the transaction. Raises Unready when that takes too long.
        """
        while True:
            try:
                return await consume(self._database, CONSUMER, self._handle, limit=BATCH)
            except Unready:
                await self._vocabulary.ready()

    async def _handle(self, uow: UnitOfWork, entries: Sequence[Consumed]) -> None:
        touched = [one.entry.data["message_id"] for one in entries if one.entry.kind in TOUCHING]
        erased = [one.entry.stream for one in entries if one.entry.kind == SessionErased.kind]
        if erased:
            await store.take_out_sessions(uow.conn, erased)
        if not touched:
            return
        await store.take_out(uow.conn, await store.places(uow.conn, touched))
        rows = await store.saying(uow.conn, touched)
        await uow.may_pause(PAUSE_SECONDS)
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            found = await self._vocabulary.terms([row["content"] for row in some])
            await store.put_in(uow.conn, await asyncio.to_thread(readings, some, found))
        if self._reached is not None:
            uow.after_commit(partial(_tell, self._reached, entries[0].entry.at))


async def _tell(reached: Callable[[datetime], None], at: datetime) -> None:
    reached(at)


def readings(rows: Sequence[Row], found: Sequence[Mapping[str, int]]) -> list[Reading]:
    """What the rows (session_id, seq, content) are found by; those without a term are left out."""
    return [
        Reading(
            row["session_id"], row["seq"], row["content"], keys_of(list(terms)),
            [min(count, COUNT_MOST) for count in terms.values()],
        )
        for row, terms in zip(rows, found, strict=True) if terms
    ]
