"""Group commit: many callers' small writes, one transaction.

While one transaction is under way the next writes gather; when it has committed they go together. No timer, so a
lone write never waits; under load the fixed cost of a commit is shared (the idea of PostgreSQL's commit_delay,
moved to where the statements can be shared too).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from malgil.kit.errors import Unavailable
from malgil.storage.database import Database, UnitOfWork

_CODE = "DATABASE_UNAVAILABLE"

Item = TypeVar("Item")
Result = TypeVar("Result")

Handler = Callable[[UnitOfWork, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]


class GroupCommit(Generic[Item, Result]):
    """Runs `handler` over what has gathered, in order, at most `most` items a transaction.

    The handler answers one result or one exception an item: an exception is raised to that item's caller alone.
    If the transaction as a whole is refused, its items are tried once more one by one, so that one bad item cannot
    fail its neighbours; if its connection is lost, every caller gets Unavailable and nothing is tried again.
    """

    def __init__(self, database: Database, handler: "Handler[Item, Result]", *, most: int = 256) -> None:
        self._database = database
        self._handler = handler
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """The item's own result, once the transaction that holds it has committed.

        A caller that is cancelled while it waits does not take its item back: it is written all the same.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="group-commit")
        return await future

    async def drain(self) -> None:
        """Return when everything submitted so far has been written or has failed."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            if not await self._attempt(batch, last=len(batch) == 1):
                for one in batch:
                    await self._attempt([one], last=True)

    async def _attempt(self, batch: "list[tuple[Item, asyncio.Future[Result]]]", *, last: bool) -> bool:
        try:
            async with self._database.unit_of_work() as uow:
                results = await self._handler(uow, [item for item, _ in batch])
                if len(results) != len(batch):
                    raise RuntimeError(f"{len(results)} results for {len(batch)} items")
        except (Unavailable, OSError) as e:
            # The connection broke or timed out, perhaps after the commit: a second try could write twice.
            # The callers decide.
            lost = e if isinstance(e, Unavailable) else Unavailable("The database gave no answer.", code=_CODE)
            for _, future in batch:
                _settle(future, lost)
            return True
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as e:
            if last:
                _settle(batch[0][1], e)
            return last
        for (_, future), result in zip(batch, results, strict=True):
            _settle(future, result)
        return True


def _settle(future: "asyncio.Future[Result]", result: "Result | Exception") -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
