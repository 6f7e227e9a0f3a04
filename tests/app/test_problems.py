"""Problem details: one shape for every error, and nothing of our inside."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from malgil.app.problems import PROBLEM, install
from malgil.kit import errors
from malgil.kit.clock import SystemClock
from malgil.kit.text import Text
from tests.fixtures.edge import edge_of
from tests.fixtures.time import FakeClock

LIMIT = 1000


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")
    content: Annotated[Text, Field(max_length=20)]
    count: int = 1




def application(failure: list[Exception]) -> FastAPI:
    app = FastAPI()
    install(app)

    @app.post("/notes")
    async def notes(note: Note) -> str:
        return note.content

    @app.get("/notes")
    async def listed(limit: Annotated[int, Query(ge=1)] = 50) -> int:
        return limit

    @app.post("/free")
    async def free(body: Annotated[dict[str, Any], Body()]) -> int:
        return len(body)

    @app.get("/fail")
    async def fail() -> None:
        raise failure[0]

    return app


class Server:
    def __init__(self, clock: FakeClock) -> None:
        self.failure: list[Exception] = []
        layered = edge_of(application(self.failure), clock, body_limit=LIMIT)
        transport = httpx.ASGITransport(app=layered)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

    async def failing(self, error: Exception) -> httpx.Response:
        self.failure[:] = [error]
        return await self.client.get("/fail")


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[Server]:
    made = Server(clock)
    async with made.client:
        yield made


def checked(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"/errors/{code.lower().replace('_', '-')}"
    assert body["trace_id"] == response.headers["x-trace-id"]
    assert body["title"]
    assert body["detail"]
    assert set(body) <= {"type", "title", "status", "detail", "code", "trace_id", "errors"}
    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [(errors.Invalid("x"), 422), (errors.Mismatch("x"), 422), (errors.Unauthenticated("x"), 401),
     (errors.Forbidden("x"), 403), (errors.NotFound("x", code="SESSION_NOT_FOUND"), 404), (errors.Conflict("x"), 409),
     (errors.TooLarge("x"), 413), (errors.UnsupportedType("x"), 415), (errors.RateLimited("x"), 429),
     (errors.Unavailable("x"), 503)],
)
async def test_every_error_of_ours(server: Server, error: errors.MalgilError, status: int) -> None:
    body = checked(await server.failing(error), status, error.code)
    assert (body["title"], body["detail"]) == (error.title, "x")
    assert "errors" not in body


async def test_what_asks_for_a_token_or_a_wait_says_so_in_its_headers(server: Server) -> None:
    assert (await server.failing(errors.Unauthenticated("x"))).headers["www-authenticate"] == "Bearer"
    bad = await server.failing(errors.Unauthenticated("x", code="TOKEN_EXPIRED"))
    assert bad.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert (await server.failing(errors.RateLimited("x", retry_after=1.2))).headers["retry-after"] == "2"
    assert (await server.failing(errors.Unavailable("x", retry_after=0.1))).headers["retry-after"] == "1"
    assert "retry-after" not in (await server.failing(errors.Conflict("x"))).headers


async def test_fields_are_named_and_their_values_not_repeated(server: Server) -> None:
    response = await server.client.post("/notes", json={"content": "hunter2" * 10, "count": "hunter2", "extra": 1})
    body = checked(response, 422, "INVALID_REQUEST")
    assert [error["field"] for error in body["errors"]] == ["body.content", "body.count", "body.extra"]
    assert all(set(error) == {"field", "message"} and error["message"] for error in body["errors"])
    assert "hunter2" not in response.text


async def test_our_own_rules_speak_without_pydantics_preface(server: Server) -> None:
    body = checked(await server.client.post("/notes", json={"content": "a\x00"}), 422, "INVALID_REQUEST")
    assert body["errors"] == [{"field": "body.content", "message": "text must not contain a NUL (at character 1)"}]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit="])
async def test_query_parameters_are_named(server: Server, query: str) -> None:
    body = checked(await server.client.get(f"/notes?{query}"), 422, "INVALID_REQUEST")
    assert body["errors"][0]["field"] == "query.limit"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("content", [b"{", b"nope", b'{"content": }', b"{'content': 'a'}", b'"\\'])
async def test_malformed_json(server: Server, content: bytes) -> None:
    response = await server.client.post("/notes", content=content, headers=JSON)
    checked(response, 422, "MALFORMED_JSON")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'{"content": "\xff"}', b"[" * 900])
async def test_bytes_that_are_no_text_and_nesting_without_end(server: Server, content: bytes) -> None:
    response = await server.client.post("/free", content=content, headers=JSON)
    assert response.status_code == 422
    assert response.json()["code"] in ("MALFORMED_BODY", "MALFORMED_JSON")


async def test_a_missing_body_is_a_missing_field(server: Server) -> None:
    body = checked(await server.client.post("/notes"), 422, "INVALID_REQUEST")
    assert body["errors"][0]["field"] == "body"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None])
@pytest.mark.parametrize("path", ["/notes", "/free"])
async def test_another_content_type(server: Server, kind: str | None, path: str) -> None:
    headers = {} if kind is None else {"content-type": kind}
    checked(await server.client.post(path, content=b'{"content": "a"}', headers=headers), 415, "UNSUPPORTED_TYPE")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.api+json"])
async def test_content_types_that_are_json(server: Server, kind: str) -> None:
    response = await server.client.post("/notes", content=b'{"content": "a"}', headers={"content-type": kind})
    assert response.status_code == 200


async def test_json_of_the_wrong_form_is_invalid_not_unsupported(server: Server) -> None:
    for value in ([], "text", 5, None):
        response = await server.client.post("/notes", content=json.dumps(value), headers=JSON)
        checked(response, 422, "INVALID_REQUEST")


async def test_no_such_route_and_wrong_method(server: Server) -> None:
    checked(await server.client.get("/nothing"), 404, "NOT_FOUND")
    wrong = await server.client.delete("/notes")
    checked(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["allow"]


async def test_what_nobody_foresaw_is_logged_and_says_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = await server.failing(RuntimeError("SELECT secret FROM /home/x"))
    body = checked(response, 500, "INTERNAL")
    assert "SELECT" not in response.text
    assert "trace id" in body["detail"]
    (record,) = [one for one in caplog.records if one.name == "malgil.app.problems"]
    assert record.exc_info is not None
    assert "SELECT secret" in str(record.exc_info[1])


async def test_a_part_that_is_down_is_logged_a_bad_request_is_not(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "malgil"):
        await server.failing(errors.NotFound("x"))
        assert not caplog.records
        await server.failing(errors.Unavailable("the database"))
        assert len(caplog.records) == 1


class TestBodyLimit:
    async def test_an_announced_length_is_refused_at_once(self, server: Server) -> None:
        response = await server.client.post("/free", json={"a": "x" * LIMIT})
        assert str(LIMIT) in checked(response, 413, "TOO_LARGE")["detail"]

    async def test_an_unannounced_one_is_refused_when_it_is_too_much(self, server: Server) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"a": "'
            for _ in range(30):
                yield b"x" * 100
            yield b'"}'

        checked(await server.client.post("/free", content=pieces(), headers=JSON), 413, "TOO_LARGE")

    async def test_the_limit_itself_is_allowed(self, server: Server) -> None:
        exact = json.dumps({"a": "x" * (LIMIT - len('{"a": ""}'))}).encode()
        assert len(exact) == LIMIT

        async def whole() -> AsyncIterator[bytes]:
            yield exact

        assert (await server.client.post("/free", content=exact, headers=JSON)).status_code == 200
        assert (await server.client.post("/free", content=whole(), headers=JSON)).status_code == 200
        assert (await server.client.post("/free", content=exact + b" ", headers=JSON)).status_code == 413

    @pytest.mark.parametrize("length", ["-1", "abc", "1e3", "", "9" * 5000])
    async def test_a_length_that_is_none_is_refused(self, server: Server, length: str) -> None:
        response = await server.client.post("/free", content=b"{}", headers={**JSON, "content-length": length})
        checked(response, 413, "TOO_LARGE")


async def asked(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app({"method": "GET", "path": "/raw", "headers": [], **scope}, receive, send)
    return sent


def raw(error: BaseException, *before: dict[str, Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in before:
            await send(message)
        raise error

    return edge_of(app, SystemClock())


START = {"type": "http.response.start", "status": 200, "headers": []}
PART = {"type": "http.response.body", "body": b"a", "more_body": True}
LAST = {"type": "http.response.body", "body": b"a"}


@pytest.mark.parametrize(
    ("error", "status"),
    [(errors.NotFound("x"), 404), (HTTPException(413, "too much"), 413), (ValueError("x"), 500), (KeyError(), 500)],
)
async def test_raw_endpoints_and_layers_answer_with_problems_too(error: Exception, status: int) -> None:
    start, body = await asked(raw(error), {"type": "http"})
    assert start["status"] == status
    assert dict(start["headers"])[b"content-type"] == PROBLEM.encode()
    assert json.loads(body["body"])["status"] == status


async def test_a_stream_that_fails_on_its_way_breaks_the_connection() -> None:
    with pytest.raises(ConnectionAbortedError):
        await asked(raw(ValueError("x"), START, PART), {"type": "http"})


async def test_an_answer_that_is_whole_stays_as_it_is() -> None:
    assert await asked(raw(ValueError("x"), START, LAST), {"type": "http"}) == [START, LAST]


async def test_a_client_that_leaves_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert await asked(raw(ClientDisconnect()), {"type": "http"}) == []
    assert not caplog.records


async def test_who_is_not_answered_when_the_server_stops_is_told_to_come_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    start, body = await asked(raw(asyncio.CancelledError()), {"type": "http"})
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"5")
    assert json.loads(body["body"])["code"] == "UNAVAILABLE"
    assert [(one.levelname, one.exc_info) for one in caplog.records] == [("WARNING", None)]


async def test_an_answer_on_its_way_when_the_server_stops_just_ends(caplog: pytest.LogCaptureFixture) -> None:
    assert await asked(raw(asyncio.CancelledError(), START, PART), {"type": "http"}) == [START, PART]
    assert not caplog.records


async def test_sockets_pass_untouched() -> None:
    with pytest.raises(ValueError, match="its own"):
        await asked(raw(ValueError("its own")), {"type": "websocket"})
