"""At most so many at a time, and of each key one."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from malgil.resilience.limiter import ConcurrencyLimiter


class Crowded(Exception):
    """No place became free in time."""


class FairLimiter:
    """Lets `max_concurrent` blocks run at once, each of another key: who comes with many waits for themself first."""

    def __init__(self, max_concurrent: int) -> None:
        self._slots = ConcurrencyLimiter(max_concurrent)
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def acquire(self, key: Hashable, within: float | None = None) -> AsyncIterator[None]:
        """Wait for a place and hold it inside the block. Raises Crowded when that takes more than `within` seconds."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(within):
                    await held.enter_async_context(turn)
                    await held.enter_async_context(self._slots.acquire())
            except TimeoutError as e:
                raise Crowded from e
            yield
