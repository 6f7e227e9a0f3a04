"""What ties this process to the others of its installation: nothing, or a Redis."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from malgil.app.settings import Settings
from malgil.kit.clock import Clock
from malgil.observe.metrics import Metrics
from malgil.realtime.bus import Bus, MemoryBus, Message
from malgil.realtime.presence import MemoryPresence, Presence
from malgil.storage.cache import Cache, SecondLevel

DROPPED = "cache:dropped"
"""The channel on which processes tell each other what to forget."""


@dataclass(frozen=True, slots=True)
class Links:
    """How processes hear of each other. `ping` returns when Redis answers; None where there is no Redis."""

    bus: Bus
    presence: Presence
    redis: Any = None
    """The client (malgil.storage.redis), for those whose adapters need one."""
    second: SecondLevel | None = None
    ping: Callable[[], Awaitable[None]] | None = None


async def open_links(settings: Settings, opening: AsyncExitStack, metrics: Metrics) -> Links:
    """Bus, presence and second-level cache over REDIS_URL; without one this process is by itself.

    That Redis may be away: then each process is alone. The modules are named here and nowhere else: without a Redis
    nobody pays for its library.
    """
    if settings.redis_url is None:
        return Links(MemoryBus(), MemoryPresence())
    storage = import_module("malgil.storage.redis")
    redis = storage.connect(
        settings.redis_url.get_secret_value(), max_connections=settings.redis_max_connections,
        pool_size=settings.redis_pool_size,
    )
    opening.push_async_callback(redis.aclose)
    bus = await opening.enter_async_context(import_module("malgil.realtime.redis_bus").RedisBus(redis))
    made = import_module("malgil.realtime.redis_presence").RedisPresence(redis, bus)
    presence = await opening.enter_async_context(made)
    second = import_module("malgil.storage.redis_cache").RedisCache(redis)

    async def ping() -> None:
        await storage.ping(redis)

    metrics.watch_bus(bus.counts)
    return Links(bus, presence, redis, second, ping)


def open_cache(links: Links, clock: Clock, metrics: Metrics) -> Cache:
    """The two-level cache of this process, which hears what the others drop."""

    async def tell(key: str) -> None:
        await links.bus.publish(DROPPED, Message("dropped", data={"key": key}))

    cache = Cache(clock, links.second, tell=tell)
    links.bus.subscribe(DROPPED, lambda message: cache.forget(str((message.data or {})["key"])))
    metrics.watch_cache(cache.counts)
    return cache
