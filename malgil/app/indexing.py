"""Keeps the search index behind the log, in every process: one at a time has the turn."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module

from malgil.chat.search.tasks import BATCH, TOUCHING
from malgil.knowledge.terms import Korean, Vocabulary
from malgil.log.model import Entry

SOON = 0.2
"""Seconds between looks while something that was announced may still wait for an older transaction to end."""
KEEN = 10
"""Looks of that kind after the last announcement."""
IDLE = 5.0
"""Seconds between looks otherwise: other processes look after what they have announced themselves."""

Step = Callable[[], Awaitable[int]]
"""Indexes what comes next: `chat.search.tasks.Indexer`."""

_log = logging.getLogger(__name__)


def vocabulary(korean: Korean) -> Vocabulary:
    """Korean and English, whose tool is loaded with the first text in it."""
    return Vocabulary(korean, lambda: import_module("malgil.knowledge.english").EnglishStems())


class Indexing:
    """`announce` is an announcer of the log that wakes the loop."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    async def announce(self, entries: Sequence[Entry]) -> None:
        """Look soon, if one of the entries concerns the index."""
        if any(entry.kind in TOUCHING for entry in entries):
            self._woken.set()

    @asynccontextmanager
    async def running(self, index: Step) -> AsyncIterator[None]:
        """The loop runs until the block ends."""
        task = asyncio.create_task(self.run(index), name="search index")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def run(self, index: Step) -> None:
        """For ever: index what is new. A failure waits for the next look."""
        keen = 0
        while True:
            if self._woken.is_set():
                self._woken.clear()
                keen = KEEN
            if await _one(index):
                continue
            keen -= 1
            await self._wait(SOON if keen > 0 else IDLE)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass


async def _one(index: Step) -> bool:
    """One batch; whether another one waits behind it."""
    try:
        return await index() >= BATCH
    except Exception:
        _log.exception("indexing failed, will try again")
        return False
