"""The API as it describes itself, and the layers in front of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from malgil.app.settings import Settings
from malgil.app.wiring import build

PATHS = {
    "/health": {"get"}, "/health/live": {"get"}, "/health/ready": {"get"}, "/health/detailed": {"get"},
    "/metrics": {"get"}, "/agent/chat": {"post"}, "/agent/chat/stream": {"get"},
    "/api/chat/sessions": {"get", "post"}, "/api/chat/sessions/{session_id}": {"get", "patch", "delete"},
    "/api/chat/sessions/{session_id}/read": {"post"}, "/api/chat/sessions/{session_id}/stop": {"post"},
    "/api/chat/sessions/{session_id}/messages": {"get", "post"},
    "/api/chat/sessions/{session_id}/messages/stream": {"post"},
    "/api/chat/sessions/{session_id}/events": {"get"},
    "/api/chat/sessions/{session_id}/messages/{message_id}": {"patch", "delete"},
    "/api/chat/sessions/{session_id}/regenerate": {"post"}, "/api/chat/sessions/{session_id}/branch": {"post"},
    "/api/chat/sessions/{session_id}/participants": {"post"},
    "/api/chat/sessions/{session_id}/participants/{user_id}": {"delete"},
    "/api/chat/sessions/{session_id}/files": {"post"},
    "/api/chat/search": {"get"},
    "/files/{file_id}": {"get", "head"}, "/files/{file_id}/thumb": {"get", "head"},
}


@asynccontextmanager
async def built(database_url: str, data_dir: Path, role: str) -> AsyncIterator[httpx.AsyncClient]:
    """One process in a role, beside others on the same database."""
    secret = "s" * 32
    settings = Settings.model_validate({
        "data_dir": data_dir, "database_url": "postgresql://x/y", "service_role": role, "jwt_secret_key": secret,
        "auth_mode": "dev",
    })
    data_dir.mkdir(exist_ok=True)
    application = await build(settings, database_url, node=role)
    application.start()
    transport = httpx.ASGITransport(application.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=20) as client:
        yield client
    await application.drain()
    await application.close()


@pytest.fixture
async def http(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data_dir=tmp_path, cors_origins=["https://app.example.com"])
    application = await build(settings, database_url, node="test")
    transport = httpx.ASGITransport(application.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    await application.drain()
    await application.close()


async def test_the_description_is_whole(http: httpx.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()
    assert {path: set(verbs) for path, verbs in described["paths"].items()} == PATHS
    routes = [(path, route) for path, verbs in described["paths"].items() for route in verbs.values()]
    assert [path for path, route in routes if not route.get("summary")] == []
    assert [path for path, route in routes if "requestBody" in route and "'examples'" not in str(route)] == []
    ids = [route["operationId"] for _, route in routes]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_description_s_pages_need_nobody_else(http: httpx.AsyncClient, page: str) -> None:
    """A server on a closed network shows them too."""
    shown = await http.get(page)
    assert shown.status_code == 200
    fetched = re.findall(r'(?:src|href)="([^"]+)"', shown.text)
    assert len(fetched) >= 2
    for one in fetched:
        found = await http.get(one)
        assert (one[0], found.status_code) == ("/", 200), one


async def test_who_makes_answers_only_talks_to_nobody_and_a_gateway_makes_none(
    database_url: str, tmp_path: Path
) -> None:
    async with built(database_url, tmp_path / "ai", "ai") as ai, built(database_url, tmp_path / "gw", "gateway") as gw:
        assert (await ai.get("/health/ready")).status_code == 200
        assert (await ai.post("/api/chat/sessions", json={})).status_code == 404
        asked = await gw.post("/agent/chat", json={"task": "안녕하세요"})
        assert (asked.status_code, bool(asked.json()["content"])) == (200, True)
    async with built(database_url, tmp_path / "gw", "gateway") as alone:
        session_id = (await alone.post("/api/chat/sessions", json={})).json()["session_id"]
        where = f"/api/chat/sessions/{session_id}"
        await alone.post(f"{where}/messages", json={"content": "안녕하세요"})
        assert (await alone.get(where)).json()["message_count"] == 1
        stopped = (await alone.post(f"{where}/stop")).json()["stopped"]
        assert len(stopped) == 1, "nobody was there to answer"


async def test_every_answer_has_a_trace_id(http: httpx.AsyncClient) -> None:
    for path in ("/health", "/nowhere", "/api/chat/sessions/sess_none"):
        assert (await http.get(path)).headers["x-trace-id"].startswith("trace_")


async def test_cors_for_those_who_are_listed(http: httpx.AsyncClient) -> None:
    good = await http.get("/health", headers={"Origin": "https://app.example.com"})
    assert good.headers["access-control-allow-origin"] == "https://app.example.com"
    other = await http.get("/health", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    refused = await http.post("/agent/chat", json={"task": "a"}, headers={"Origin": "https://evil.example"})
    assert (refused.status_code, refused.json()["code"]) == (403, "ORIGIN_REFUSED")


async def test_a_body_past_the_limit(http: httpx.AsyncClient) -> None:
    refused = await http.post("/agent/chat", content=b" " * (2 << 20), headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (413, "TOO_LARGE")


async def test_what_chat_s_routes_do_not_match_is_a_problem_all_the_same(http: httpx.AsyncClient) -> None:
    """They are served past FastAPI, which still answers for the paths that nobody has; no GET is started by a HEAD."""
    for method, path, allowed in (
        ("PUT", "/api/chat/sessions", "GET, POST"), ("HEAD", "/agent/chat/stream", "GET"),
        ("DELETE", "/agent/chat", "POST"), ("PUT", "/api/chat/sessions/s/messages", "GET, POST"),
        ("OPTIONS", "/api/chat/sessions/s", "DELETE, GET, PATCH"), ("POST", "/health", "GET"),
    ):
        answer = await http.request(method, path, params={"task": "x"})
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await http.get("/api/chat/nowhere")).json()["code"] == "NOT_FOUND"
    assert (await http.get("/api/chat/sessions")).json()["total"] == 0


async def test_requests_are_counted_by_their_route(http: httpx.AsyncClient) -> None:
    await http.get("/api/chat/sessions/sess_none/messages")
    counted = (await http.get("/metrics")).text
    assert 'route="/api/chat/sessions/{session_id}/messages",status="404"' in counted
    assert "sess_none" not in counted


async def knock(app: ASGIApp, path: str, query: str = "") -> list[Any]:
    """Open a WebSocket and go; the texts that came, and the code with which it was closed, if it was."""
    heard = [{"type": "websocket.connect"}]
    came: list[Any] = []
    refused = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if heard:
            return heard.pop(0)
        await asyncio.wait([asyncio.ensure_future(refused.wait())], timeout=0.2)
        return {"type": "websocket.disconnect", "code": 1005}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            came.append(message["code"])
            refused.set()
        elif message["type"] == "websocket.send":
            came.append(message.get("text"))

    await app(
        {
            "type": "websocket", "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "ws",
            "query_string": query.encode(), "headers": [(b"host", b"localhost")],
            "client": ("9.9.9.9", 1), "server": ("localhost", 80), "subprotocols": [], "extensions": {},
        },
        receive, send,
    )
    return came


@asynccontextmanager
async def limited(database_url: str, tmp_path: Path, **given: Any) -> AsyncIterator[ASGIApp]:
    settings = Settings.model_validate({"data_dir": tmp_path, **given})
    application = await build(settings, database_url, node="test")
    try:
        yield application.asgi
    finally:
        await application.drain()
        await application.close()


@pytest.mark.parametrize("path", ["/ws/mine", "/ws/chat/mine", "/ws/user"])
async def test_sockets_are_counted_as_other_requests_are(database_url: str, tmp_path: Path, path: str) -> None:
    async with limited(database_url, tmp_path, rate_limit_default={"limit": 4}) as app:
        assert "connected" in str(await knock(app, "/ws/mine"))  # one for coming, one for the session that it made
        for _ in range(2):
            assert "connected" in str(await knock(app, path))
        assert await knock(app, path) == [4429]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            assert (await http.get("/api/chat/sessions")).status_code == 429


async def test_sockets_of_who_cannot_say_who_they_are_count_for_their_address(
    database_url: str, tmp_path: Path
) -> None:
    given = {"auth_mode": "jwt", "jwt_secret_key": "s" * 32, "rate_limit_default": {"limit": 2}}
    async with limited(database_url, tmp_path, **given) as app:
        codes = [await knock(app, "/ws/mine", f"token=no-{n}") for n in range(3)]
        assert codes == [[4401], [4401], [4429]]


async def test_sessions_that_connecting_makes_are_counted(database_url: str, tmp_path: Path) -> None:
    given = {"rate_limit_endpoints": {"POST /api/chat/sessions": {"limit": 2}}}
    async with limited(database_url, tmp_path, **given) as app:
        heard = [await knock(app, f"/ws/new-{n}") for n in (1, 2, 3, 1)]
        assert ["connected" in str(one) for one in heard] == [True, True, False, True]
        assert heard[2] == [4429]
