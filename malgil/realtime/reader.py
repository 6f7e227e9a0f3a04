"""How the hub reads the log: a port, and the database behind it."""

from collections.abc import Sequence
from typing import Protocol

from malgil.log import queries
from malgil.log.model import Entry
from malgil.storage.database import Database


class LogReader(Protocol):
    """Reads of the truth. Each is short and holds nothing afterwards."""

    async def read(self, stream: str, *, after: int, limit: int) -> tuple[str, list[Entry]]:
        """(epoch, entries after the seq in order, at most `limit`)."""
        ...

    async def heads(self, streams: Sequence[str]) -> tuple[str, dict[str, int]]:
        """(epoch, seq of each stream's last entry); streams that do not exist are absent."""
        ...

    async def weight(self, stream: str, *, after: int, most: int) -> tuple[int, int]:
        """(entries, bytes) of a replay after the seq, looking at no more than `most` entries."""
        ...


class DatabaseLog:
    """The log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, stream: str, *, after: int, limit: int) -> tuple[str, list[Entry]]:
        async with self._database.read() as conn:
            entries = await queries.read(conn, stream, after=after, limit=limit)
            # Asked after the entries: an epoch is never used again, so if it is still the one the caller follows,
            # what was read before belongs to it.
            return await queries.epoch(conn), entries

    async def heads(self, streams: Sequence[str]) -> tuple[str, dict[str, int]]:
        async with self._database.read() as conn:
            return await queries.heads(conn, streams)

    async def weight(self, stream: str, *, after: int, most: int) -> tuple[int, int]:
        async with self._database.read() as conn:
            return await queries.weight(conn, stream, after=after, most=most)
