"""The two-level cache: a bounded one in the process, and behind it one that all processes share, where there is Redis.

For copies of what is in the database and costs something to get. It may forget at any time, and what it gives may be
as old as its time to live: never for what must be true now.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from malgil.kit import json
from malgil.kit.clock import Clock

MOST = 10_000

Load = Callable[[], Awaitable[Any]]
Tell = Callable[[str], Awaitable[None]]

_log = logging.getLogger(__name__)


class SecondLevel(Protocol):
    """What processes share. Never raises: a store that is away has nothing and takes nothing."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep for `ttl` seconds, unless the key was dropped a moment ago: the value may be from before."""
        ...

    async def drop(self, key: str) -> None: ...


class Cache:
    """`get` answers JSON values, shared by all who ask: nobody changes them.

    However many ask for what is not there, it is loaded once. `drop` after the commit of a write: what was being
    loaded meanwhile is not kept. `tell` carries it to the other processes, whose `forget` does the same there.
    """

    def __init__(
        self, clock: Clock, second: SecondLevel | None = None, *, tell: Tell | None = None, most: int = MOST
    ) -> None:
        self._clock = clock
        self._second = second
        self._tell = tell
        self._most = most
        self._kept: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Any]] = {}
        self._counts = {"first": 0, "second": 0, "missed": 0}

    def counts(self) -> Mapping[str, int]:
        """Reads answered by the `first` level, by the `second`, and `missed` by both."""
        return self._counts

    async def get(self, key: str, ttl: float, load: Load) -> Any:
        """The value of `key`, at most `ttl` seconds old in each level; otherwise what `load` gives, or its error."""
        found = self._kept.get(key)
        if found is not None and found[0] > self._clock.monotonic():
            self._kept.move_to_end(key)
            self._counts["first"] += 1
            return found[1]
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._fetch(key, ttl, load), name="cache-load")
            self._loading[key] = loading
            loading.add_done_callback(lambda task: self._loaded(key, task))
        # Shielded: whoever asked first may go away while others wait for the same load.
        return await asyncio.shield(loading)

    async def drop(self, key: str) -> None:
        """Forget `key` everywhere."""
        self.forget(key)
        if self._second is not None:
            await self._second.drop(key)
        if self._tell is not None:
            await self._tell(key)

    def forget(self, key: str) -> None:
        """Forget `key` here: it was dropped by another process."""
        self._kept.pop(key, None)
        self._loading.pop(key, None)

    async def _fetch(self, key: str, ttl: float, load: Load) -> Any:
        mine = asyncio.current_task()
        found, value = await self._second_level(key)
        if found:
            self._counts["second"] += 1
        else:
            self._counts["missed"] += 1
            text = json.dumps(await load()).encode()
            value = json.loads(text)  # as the second level gives it back: a tuple is a list the first time too
            if self._second is not None and self._loading.get(key) is mine:
                await self._second.put(key, text, ttl)
        if self._loading.get(key) is mine:
            self._keep(key, ttl, value)
        return value

    async def _second_level(self, key: str) -> tuple[bool, Any]:
        text = None if self._second is None else await self._second.get(key)
        if text is None:
            return False, None
        try:
            return True, json.loads(text)
        except ValueError:
            _log.warning("what is kept as %s is no JSON", key)
            return False, None

    def _keep(self, key: str, ttl: float, value: Any) -> None:
        self._kept[key] = (self._clock.monotonic() + ttl, value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _loaded(self, key: str, task: "asyncio.Task[Any]") -> None:
        if self._loading.get(key) is task:
            del self._loading[key]
        if not task.cancelled() and task.exception() is not None:
            _log.debug("%s could not be loaded", key)
