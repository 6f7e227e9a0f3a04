"""The second level of the cache, in Redis; imported by app when REDIS_URL is set."""

import asyncio
import logging
from typing import Any, Final

from malgil.storage.redis import FAULTS, Redis

PREFIX: Final = "cache:"
HELD_SECONDS: Final = 5
"""After a drop nothing is taken for so long: a load that began before the drop would bring back what it read."""

REST_SECONDS: Final = 1.0
"""A Redis that did not answer is not asked for so long, so that it does not slow down every miss."""

_log = logging.getLogger(__name__)


class RedisCache:
    """Keys of the cache under `cache:`. A Redis that is away is said once, and has nothing."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._away = False
        self._rests_until = 0.0

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = await self._ask("GET", PREFIX + key)
        return found or None  # empty: it was dropped a moment ago

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        await self._ask("SET", PREFIX + key, value, "PX", max(1, round(ttl * 1000)), "NX")

    async def drop(self, key: str) -> None:
        await self._ask("SET", PREFIX + key, b"", "EX", HELD_SECONDS)

    async def _ask(self, *command: Any) -> Any:
        """The answer; None from a Redis that is away."""
        now = asyncio.get_running_loop().time()
        if now < self._rests_until:
            return None
        ask: Any = self._client.execute_command
        try:
            answer = await ask(*command)
        except FAULTS as e:
            if not self._away:
                _log.warning("Redis is away, each process caches for itself: %s", str(e) or type(e).__name__)
            self._away = True
            self._rests_until = now + REST_SECONDS
            return None
        self._away = False
        return answer
