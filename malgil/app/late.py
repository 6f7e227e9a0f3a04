"""Parts of the edge whose libraries are heavy: loaded when their first client comes, not when the process starts."""

import asyncio
import importlib
from collections.abc import Callable
from types import ModuleType

from starlette.types import ASGIApp, Receive, Scope, Send


class Late:
    """The ASGI app that `build` makes of a module, which a thread loads so that nobody else waits for it."""

    def __init__(self, module: str, build: Callable[[ModuleType], ASGIApp]) -> None:
        self._module = module
        self._build = build
        self._app: ASGIApp | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._app or await self._loaded())(scope, receive, send)

    async def _loaded(self) -> ASGIApp:
        async with self._loading:
            if self._app is None:
                self._app = self._build(await asyncio.to_thread(importlib.import_module, self._module))
            return self._app
