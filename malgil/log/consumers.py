"""Consumers of the whole log: projections, indexes, notifications. Exactly once, because position and effect commit
together; never skipping, because they read only below the oldest running transaction (architecture.md).

Order: by (transaction id, number). A transaction that began early and appended late comes early, so entries of one
stream may come in another order than their `seq`. What depends on that order compares `seq`, which is what orders.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from malgil.log import store
from malgil.log.model import Entry, Position
from malgil.storage.database import Database, Row, UnitOfWork


@dataclass(frozen=True, slots=True)
class Consumed:
    """A durable entry as a consumer of the whole log sees it."""

    entry: Entry
    aggregate: str
    tenant: str
    version: int
    position: Position


Handle = Callable[[UnitOfWork, Sequence[Consumed]], Awaitable[None]]


async def consume(database: Database, name: str, handle: Handle, *, limit: int = 500) -> int:
    """Give the next entries to `handle` in the transaction that stores the new position; returns how many.

    Two processes that consume under one name take turns. If `handle` raises, the position stays.
    """
    async with database.unit_of_work() as uow:
        position = await store.claim_position(uow.conn, name)
        found = [_consumed(row) for row in await store.after_position(uow.conn, position, limit)]
        if found:
            await handle(uow, found)
            await store.save_position(uow.conn, name, found[-1].position)
    return len(found)


def _consumed(row: Row) -> Consumed:
    seq, begin = row["seq"], row["from_seq"] or row["seq"]
    entry = Entry(row["stream"], seq, begin, row["kind"], row["data"], row["at"], row["actor"], row["v"])
    return Consumed(entry, row["aggregate"], row["tenant"], row["version"], Position(int(row["xid"]), row["number"]))
