"""The database: one asyncpg pool, reads without a transaction, and the unit of work.

asyncpg is named in this room only; other rooms write SQL against `Connection` (decision 5).
"""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import asyncpg.pool

from malgil.kit import json
from malgil.kit.errors import Unavailable

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Row: TypeAlias = asyncpg.Record
Effect: TypeAlias = Callable[[], Awaitable[None]]

LEAK_SECONDS = 60.0
STILL_SECONDS = 10.0
"""How long a transaction may stand still until PostgreSQL ends it. As long as a turn's lease: a process that freezes
with locks in its hands must not keep others from taking over what it can no longer do."""

_STILL = "SELECT set_config('idle_in_transaction_session_timeout', $1, $2)"

# The last is what asyncpg raises when a backend dies just before a statement; it is none of the other two.
_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_log = logging.getLogger(__name__)


class UnitOfWork:
    """One transaction and what is to happen once it has committed.

    `conn` runs statements inside the transaction. `after_commit` queues an effect; effects run in order, after
    the commit, and a failing one is logged and never undoes or fails the work that committed.
    """

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._effects: list[Effect] = []

    def after_commit(self, effect: Effect) -> None:
        self._effects.append(effect)

    async def may_pause(self, seconds: float) -> None:
        """Let this transaction stand still for so long, because something slow runs inside it."""
        await self.conn.execute(_STILL, str(round(seconds * 1000)), True)

    async def run_effects(self) -> None:
        """Run and forget the queued effects; called by `Database.unit_of_work` only."""
        effects, self._effects = self._effects, []
        for effect in effects:
            try:
                await effect()
            except Exception:
                _log.exception("effect after commit failed")


class Database:
    """A pool of connections to one PostgreSQL. `open` before use, `close` at the end."""

    def __init__(self, url: str, *, pool_size: int = 20, max_overflow: int = 40, timeout: float = 30.0) -> None:
        self.url = url
        self._size = pool_size
        self._most = pool_size + max_overflow
        self._timeout = timeout
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Connect; raises Unavailable with the reason when the server cannot be reached."""
        try:
            self._pool = await asyncpg.create_pool(
                self.url, min_size=1, max_size=self._most, init=_prepare, reset=_keep, timeout=self._timeout,
                max_inactive_connection_lifetime=300.0, command_timeout=60.0,
            )
        except (*_DRIVER, OSError, TimeoutError) as e:
            raise Unavailable(f"The database cannot be reached: {e}", code="DATABASE_UNAVAILABLE") from e

    async def close(self) -> None:
        """Wait briefly for running statements, then drop every connection."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            await asyncio.wait_for(pool.close(), 5)
        except TimeoutError:
            pool.terminate()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection outside any transaction: each statement sees what is committed when it starts.

        Raises Unavailable when none is free in time, and when the connection is lost inside the block; whether a
        commit under way at that moment took effect is then unknown.
        """
        if self._pool is None:
            raise Unavailable("The database is closed.", code="DATABASE_UNAVAILABLE")
        try:
            conn = await self._pool.acquire(timeout=self._timeout)
        except (*_DRIVER, OSError, TimeoutError) as e:
            raise Unavailable("No database connection is free.", code="DATABASE_UNAVAILABLE") from e
        leak = asyncio.get_running_loop().call_later(LEAK_SECONDS, _report_leak, asyncio.current_task())
        try:
            yield conn
        except (*_DRIVER, ConnectionError) as e:
            if not _lost(conn, e):
                raise
            raise Unavailable("The database connection was lost.", code="DATABASE_UNAVAILABLE") from e
        finally:
            leak.cancel()
            await self._release(conn)

    async def _release(self, conn: Connection) -> None:
        """Give `conn` back. One that broke meanwhile is replaced by the pool; what was done with it stands."""
        try:
            if self._pool is not None:
                await self._pool.release(conn)
        except (*_DRIVER, OSError):
            _log.info("a database connection broke while it was given back", exc_info=True)

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """One transaction (READ COMMITTED): commits when the block ends well, then runs its effects."""
        async with self.read() as conn:
            uow = UnitOfWork(conn)
            async with conn.transaction():
                yield uow
        await uow.run_effects()

    def pool_stats(self) -> dict[str, int]:
        """`size`, `idle`, `active` and `limit` of the pool, for metrics and health."""
        if self._pool is None:
            return {"size": 0, "idle": 0, "active": 0, "limit": self._most}
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {"size": size, "idle": idle, "active": size - idle, "limit": self._most}


async def _prepare(conn: Any) -> None:
    await conn.execute(_STILL, str(round(STILL_SECONDS * 1000)), False)
    await conn.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


async def _keep(conn: Any) -> None:
    """Nothing to reset between users: no room sets session state, and asyncpg itself ends an open transaction.

    Its default reset costs every unit of work one more round trip.
    """


_GONE = (
    asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError, asyncpg.InternalClientError, ConnectionError,
)


def _lost(conn: Connection, error: Exception) -> bool:
    """Whether `error` means that the connection is gone, rather than that a statement was refused."""
    if isinstance(error, _GONE):
        return True
    try:
        return conn.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has already taken the broken connection away


def _report_leak(task: "asyncio.Task[Any] | None") -> None:
    frames = task.get_stack() if task else []
    stack = "".join(traceback.format_list(traceback.StackSummary.extract((f, f.f_lineno) for f in frames)))
    _log.warning("a database connection has been held for %s s, a leak?\n%s", LEAK_SECONDS, stack)
