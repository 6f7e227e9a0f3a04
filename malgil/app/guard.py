"""The cross-site guard as a layer: see `malgil.access.origin` for what it refuses and why."""

from starlette.types import ASGIApp, Receive, Scope, Send

from malgil.access.origin import OriginRules, guard
from malgil.kit.errors import Forbidden

_FORBIDDEN_CLOSE = 4403


class OriginLayer:
    """Pure ASGI. A refused request gets a 403 problem; a refused WebSocket is accepted and closed 4403."""

    def __init__(self, app: ASGIApp, rules: OriginRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            guard(scope, self._rules)
        except Forbidden as e:
            if scope["type"] == "http":
                raise
            await receive()
            # Accepted first, so that a browser's script sees the code (realtime.md).
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": _FORBIDDEN_CLOSE, "reason": e.detail[:120]})
            return
        await self._app(scope, receive, send)
