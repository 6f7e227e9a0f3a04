"""How the hub reads the log: a port, and the database behind it."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from typing import Protocol

from malgil.log import queries
from malgil.log.model import Entry
from malgil.storage.database import Database

Heads = tuple[str, dict[str, int]]
"""(epoch, seq of each stream's last entry)"""
_SMALL = 100


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
    """The log in the database.

    Small questions for heads go together: while one query is under way the next ones gather. When a thousand clients
    come back at once, that is a few queries and not a thousand.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Sequence[str], asyncio.Future[Heads]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def read(self, stream: str, *, after: int, limit: int) -> tuple[str, list[Entry]]:
        async with self._database.read() as conn:
            entries = await queries.read(conn, stream, after=after, limit=limit)
        # Asked after the entries: an epoch is never used again, so if it is still the one the caller follows,
        # what was read before belongs to it.
        epoch, _ = await self.heads([])
        return epoch, entries

    async def heads(self, streams: Sequence[str]) -> Heads:
        if len(streams) > _SMALL:
            return await self._heads(streams)
        future: asyncio.Future[Heads] = asyncio.get_running_loop().create_future()
        self._waiting.append((streams, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), context=Context())
        return await future

    async def _ask(self) -> None:
        """Ask for all who wait, until nobody does. Each question begins after all those it answers were put."""
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                await self._answer(asked)
        finally:
            self._asking = None

    async def _answer(self, asked: "list[tuple[Sequence[str], asyncio.Future[Heads]]]") -> None:
        try:
            epoch, heads = await self._heads(list({stream for streams, _ in asked for stream in streams}))
        except BaseException as error:
            for _, future in asked:
                if not future.done():
                    future.set_exception(error) if isinstance(error, Exception) else future.cancel()
            if not isinstance(error, Exception):
                raise
            return
        for streams, future in asked:
            if not future.done():
                future.set_result((epoch, {stream: heads[stream] for stream in streams if stream in heads}))

    async def _heads(self, streams: Sequence[str]) -> Heads:
        async with self._database.read() as conn:
            return await queries.heads(conn, streams)

    async def weight(self, stream: str, *, after: int, most: int) -> tuple[int, int]:
        async with self._database.read() as conn:
            return await queries.weight(conn, stream, after=after, most=most)
