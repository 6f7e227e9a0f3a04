"""The cross-site guard at the edge: a refused request is a 403, a refused socket is let in and closed 4403."""

from typing import Any

import pytest

from malgil.access.origin import OriginRules
from malgil.kit.clock import SystemClock
from tests.fixtures.edge import edge_of

RULES = OriginRules(dev=True, changing_gets=frozenset({"/agent/chat/stream"}))
HERE = {"host": "localhost:8003"}
FOREIGN = HERE | {"origin": "https://evil.example"}


async def visit(kind: str, path: str = "/", method: str = "GET", **headers: str) -> list[dict[str, Any]]:
    """What the layer sends; `{"type": "passed"}` when it let the request through."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "passed"})

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "path": path, "method": method, "headers": raw}
    await edge_of(app, SystemClock(), rules=RULES)(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [("GET", "/health", {"host": "evil.example"}), ("POST", "/agent/chat", FOREIGN),
     ("DELETE", "/api/chat/sessions/a", FOREIGN), ("GET", "/agent/chat/stream", FOREIGN),
     ("GET", "/agent/chat/stream", HERE | {"sec-fetch-site": "cross-site"})],
)
async def test_a_foreign_page_may_not(method: str, path: str, headers: dict[str, str]) -> None:
    start, _ = await visit("http", path, method, **headers)
    assert start["status"] == 403


async def test_its_socket_is_let_in_and_closed_so_that_it_sees_the_code() -> None:
    accepted, closed = await visit("websocket", "/ws/a", **FOREIGN)
    assert accepted == {"type": "websocket.accept"}
    assert (closed["type"], closed["code"]) == ("websocket.close", 4403)
    assert len(closed["reason"].encode()) <= 123


@pytest.mark.parametrize(
    ("kind", "method", "path", "headers"),
    [("http", "GET", "/api/chat/sessions", FOREIGN), ("http", "POST", "/agent/chat", HERE),
     ("http", "POST", "/agent/chat", HERE | {"origin": "http://localhost:8003"}), ("websocket", "GET", "/ws/a", HERE),
     ("lifespan", "", "", {})],
)
async def test_everybody_else_may(kind: str, method: str, path: str, headers: dict[str, str]) -> None:
    assert await visit(kind, path, method, **headers) == [{"type": "passed"}]
