"""At most so many at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict


class LimiterStats(TypedDict):
    """`total_count` is of those that were let in and have left; `success_rate` in percent, 0 before the first."""

    active_count: int
    waiting_count: int
    total_count: int
    success_count: int
    failure_count: int
    success_rate: float


class ConcurrencyLimiter:
    """Lets `max_concurrent` blocks run at once and the others wait, first come first served."""

    def __init__(self, max_concurrent: int = 10) -> None:
        if max_concurrent < 1:
            raise ValueError(f"max_concurrent must be at least 1, not {max_concurrent}")
        self._slots = asyncio.Semaphore(max_concurrent)
        self._active = self._waiting = self._success = self._failure = 0

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it inside the block; a block that raises, cancellation too, counts as a failure."""
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._active += 1
        try:
            yield
        except BaseException:
            self._failure += 1
            raise
        else:
            self._success += 1
        finally:
            self._active -= 1
            self._slots.release()

    def get_stats(self) -> LimiterStats:
        """How many are inside, how many wait, and how those that have left fared."""
        total = self._success + self._failure
        return {
            "active_count": self._active,
            "waiting_count": self._waiting,
            "total_count": total,
            "success_count": self._success,
            "failure_count": self._failure,
            "success_rate": 100.0 * self._success / total if total else 0.0,
        }
