"""The embedded database is a process of its own, and may die alone: somebody's kill, the system short of memory."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.errors import StorageUnusable

LOOK_SECONDS = 0.5
AGAIN_SECONDS = 5.0

_log = logging.getLogger(__name__)


@asynccontextmanager
async def kept_alive(postgres: EmbeddedPostgres) -> AsyncIterator[None]:
    """Inside the block a server that died is started again; after it nobody starts it any more."""
    leave = asyncio.Event()
    watch = asyncio.create_task(_watch(postgres, leave), name="database-watch")
    try:
        yield
    finally:
        # Not cancelled: a start under way in its thread would go on, and outlive the stop that follows.
        leave.set()
        await watch


async def _watch(postgres: EmbeddedPostgres, leave: asyncio.Event) -> None:
    pause = LOOK_SECONDS
    while not await _left(leave, pause):
        pause = LOOK_SECONDS
        try:
            if await asyncio.to_thread(postgres.running_url) is None:
                _log.warning("the database has died, starting it again")
                await asyncio.to_thread(postgres.start)
                _log.warning("the database is back")
        except StorageUnusable as e:
            _log.error("the database does not come back: %s", e)
            pause = AGAIN_SECONDS
        except Exception:
            _log.exception("the database could not be looked after")
            pause = AGAIN_SECONDS


async def _left(leave: asyncio.Event, seconds: float) -> bool:
    """Whether it is time to go, asked for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await leave.wait()
    except TimeoutError:
        return False
    return True
