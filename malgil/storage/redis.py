"""The client of Redis: the only module that knows the library, imported by app when REDIS_URL is set (it costs 0.3 s).

What Redis holds is hints and copies: everything here may fail at any moment, soon, and never loses anything.
"""

import asyncio
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

__all__ = [
    "FAULTS", "AbstractConnection", "Redis", "RedisConnectionError", "ResponseError", "connect", "ping",
    "side_connection",
]

FAULTS = (RedisError, OSError, TimeoutError)
"""What a command may raise when Redis is dead, slow or full. Whoever asks Redis anything can do without the answer."""

ANSWER_SECONDS = 1.0
CONNECT_SECONDS = 1.0


class _Pool(BlockingConnectionPool):
    """At most `max_connections` at a time, of which `kept` stay open when nothing is asked."""

    kept = 10

    async def release(self, connection: AbstractConnection) -> None:
        await super().release(connection)
        idle = [one for one in self._available_connections if one.is_connected]
        if len(idle) > self.kept:
            await idle[0].disconnect(nowait=True)  # the pool gives from the other end of its list


def connect(url: str, *, max_connections: int = 50, pool_size: int = 10) -> Redis:
    """A client that has not connected yet, and connects when first asked; close it with `aclose`.

    A command that finds its connection gone (Redis was started again) is sent once more on a new one; a command that
    is not answered in time is not, since it may have been done.
    """
    pool = _Pool.from_url(
        url, max_connections=max_connections, timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS, protocol=2, client_name="malgil",
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    pool.kept = pool_size
    return Redis.from_pool(pool)


async def ping(client: Redis) -> None:
    """Return when Redis answers; raises one of FAULTS."""
    ask: Any = client.execute_command
    await ask("PING")


async def side_connection(client: Redis) -> AbstractConnection:
    """A new connection to the same Redis outside of the pool, for whoever keeps one to himself. Raises FAULTS.

    Its caller sets the limits of time. The library's own way to do that (asyncio.wait_for) swallows a cancellation
    now and then before Python 3.12, and a task that cannot be cancelled keeps the process from ending.
    """
    pool = client.connection_pool
    connection: Any = pool.connection_class(**pool.connection_kwargs | {"socket_timeout": None})
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return cast(AbstractConnection, connection)
