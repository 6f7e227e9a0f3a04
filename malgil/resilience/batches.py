"""Many items, in batches, a few at a time."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypedDict, TypeVar

from malgil.resilience.gather import gather_with_concurrency

Item = TypeVar("Item")
Result = TypeVar("Result")


class BatchStats(TypedDict):
    """Counted since the processor was made; `success_rate` in percent, 0 before the first item."""

    processed_count: int
    failed_count: int
    success_rate: float


class AsyncBatchProcessor(Generic[Item, Result]):
    """Takes items `batch_size` at a time, runs `max_concurrent` of a batch at once, and counts how they fared."""

    def __init__(self, batch_size: int = 10, max_concurrent: int = 5) -> None:
        for name, value in (("batch_size", batch_size), ("max_concurrent", max_concurrent)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        self._batch_size = batch_size
        self._max_concurrent = max_concurrent
        self._processed = self._failed = 0

    async def process_all(
        self, items: Iterable[Item], fn: Callable[[Item], Awaitable[Result]]
    ) -> list[Result | BaseException]:
        """`fn` of every item, in the order given; the error of an item that failed stands in its place.

        The next batch begins when the one before is done, so never more than a batch of items is held by tasks.
        """
        waiting = list(items)
        results: list[Result | BaseException] = []
        for start in range(0, len(waiting), self._batch_size):
            batch = waiting[start : start + self._batch_size]
            done = await gather_with_concurrency(
                self._max_concurrent, *(_call(fn, item) for item in batch), return_exceptions=True
            )
            failed = sum(isinstance(one, BaseException) for one in done)
            self._failed += failed
            self._processed += len(done) - failed
            results += done
        return results

    def get_stats(self) -> BatchStats:
        """How many items went well (`processed_count`) and how many failed."""
        total = self._processed + self._failed
        return {
            "processed_count": self._processed,
            "failed_count": self._failed,
            "success_rate": 100.0 * self._processed / total if total else 0.0,
        }


async def _call(fn: Callable[[Item], Awaitable[Result]], item: Item) -> Result:
    return await fn(item)
