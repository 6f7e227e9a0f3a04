"""Limits at the edge: exact, by caller, told in every answer, on one process and on three."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from malgil.access.identity import Identity
from malgil.access.mint import mint
from malgil.access.model import Caller
from malgil.access.redis_limiter import RedisLimiter
from malgil.access.tokens import SecretKey, TokenVerifier
from malgil.app.callers import caller_of
from malgil.app.limits import HEADERS, Limits, Turnstile, open_limits, subject
from malgil.app.settings import Settings
from malgil.app.throttle import FrameThrottle
from malgil.kit.clock import SystemClock
from malgil.kit.ids import TenantId, UserId
from malgil.observe.metrics import Metrics
from malgil.realtime.throttle import CREATE
from malgil.storage.redis import Redis, connect
from tests.fixtures.edge import edge_of
from tests.fixtures.redis import RedisServer

SECRET = "a secret of more than thirty-two bytes"
ORIGIN = "https://app.example.com"


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"done"})


def cors(app: Any) -> CORSMiddleware:
    return CORSMiddleware(app, allow_origins=[ORIGIN], expose_headers=list(HEADERS))


class Replica:
    """One process's edge, with the settings of an operator."""

    def __init__(self, limits: Limits, metrics: Metrics, dev: bool) -> None:
        clock = SystemClock()
        self.limits = limits
        self.metrics = metrics
        identity = Identity(TokenVerifier(SecretKey(SECRET), clock, dev=dev), dev=dev)
        turnstile = Turnstile(limits, caller_of(identity))
        self.app = edge_of(answering, clock, metrics, turnstile=turnstile, around=cors)

    def client(self, peer: str = "9.9.9.9") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app, client=(peer, 1)), base_url="http://localhost")

    async def get(self, path: str, *, user: str | None = None, peer: str = "9.9.9.9", **more: Any) -> httpx.Response:
        return await self.send("GET", path, user=user, peer=peer, **more)

    async def send(
        self, method: str, path: str, *, user: str | None = "kim", peer: str = "9.9.9.9", role: str = "user",
        **headers: str,
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            token = mint(
                SECRET, user=user, tenant="t", roles=[role], now=datetime.now(UTC), lifetime=timedelta(hours=1)
            )
            sent["Authorization"] = f"Bearer {token}"
        async with self.client(peer) as client:
            return await client.request(method, path, headers=sent)


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = connect(redis_server.url)
    yield client
    await client.aclose()


Opened = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Opens replicas, which are closed at the end."""
    async with AsyncExitStack() as opening:

        async def open_one(redis: Redis | None = None, *, dev: bool = False, **given: Any) -> Replica:
            given |= {} if dev else {"auth_mode": "jwt", "jwt_secret_key": SECRET}
            metrics = Metrics("test")
            limits = await open_limits(Settings(**given), redis, SystemClock(), metrics, opening)
            assert limits is not None
            return Replica(limits, metrics, dev)

        yield open_one


ENDPOINT = {"rate_limit_endpoints": {"POST /agent/chat": {"limit": 100}}}


@pytest.mark.parametrize("given", [ENDPOINT, {"rate_limit_messages_per_minute": 100}])
async def test_a_hundred_of_a_hundred_and_fifty(opened: Opened, given: dict[str, Any]) -> None:
    replica = await opened(**given)
    answers = await asyncio.gather(*(replica.send("POST", "/agent/chat") for _ in range(150)))
    assert sorted(one.status_code for one in answers) == [200] * 100 + [429] * 50
    assert replica.metrics.registry.get_sample_value(
        "malgil_rate_limit_decisions_total", {"decision": "refused"}) == 50


async def test_the_same_on_three_replicas_with_one_redis(opened: Opened, redis: Redis) -> None:
    replicas = [await opened(redis, **ENDPOINT) for _ in range(3)]
    answers = await asyncio.gather(*(replicas[n % 3].send("POST", "/agent/chat") for n in range(150)))
    assert sorted(one.status_code for one in answers) == [200] * 100 + [429] * 50


async def test_redis_killed_in_the_middle_neither_opens_nor_closes_the_gate(
    redis: Redis, redis_server: RedisServer, opened: Opened
) -> None:
    replicas = [await opened(redis, **ENDPOINT) for _ in range(3)]

    def fallen_back(replica: Replica) -> float | None:
        return replica.metrics.registry.get_sample_value("malgil_rate_limit_fallback")

    for n in range(60):
        assert (await replicas[n % 3].send("POST", "/agent/chat")).status_code == 200
    assert fallen_back(replicas[0]) == 0
    redis_server.kill()
    answers = [await replicas[n % 3].send("POST", "/agent/chat") for n in range(330)]
    # Each has let 20 through already, and keeps the limit alone from now on.
    assert sum(one.status_code == 200 for one in answers) == 240
    assert {one.status_code for one in answers} == {200, 429}
    assert [fallen_back(one) for one in replicas] == [1, 1, 1]
    assert (await replicas[0].send("POST", "/agent/chat", user="lee")).status_code == 200
    redis_server.start()

    async def heals(replica: Replica) -> None:
        while fallen_back(replica):
            await replica.send("POST", "/agent/chat", user="mina")
            await asyncio.sleep(0.05)

    async with asyncio.timeout(10):
        await asyncio.gather(*map(heals, replicas))


ITEM = r'"[ -~]+"'


async def test_every_answer_says_how_the_limit_stands(opened: Opened) -> None:
    replica = await opened(rate_limit_default={"limit": 2, "per": 30})
    first = await replica.get("/api/x", user="kim")
    await replica.get("/api/x", user="kim")
    refused = await replica.get("/nowhere", user="kim")
    for answer, remaining in ((first, "1"), (refused, "0")):
        assert answer.headers["x-ratelimit-limit"] == "2"
        assert answer.headers["x-ratelimit-remaining"] == remaining
        assert 30 <= int(answer.headers["x-ratelimit-reset"]) <= 60
        assert answer.headers["ratelimit-policy"] == '"default";q=2;w=30'
        assert re.fullmatch(rf"{ITEM};r={remaining};t=\d+", answer.headers["ratelimit"])
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["status"]) == ("RATE_LIMITED", 429)
    assert 30 <= int(refused.headers["retry-after"]) <= 46
    assert refused.headers["x-trace-id"] == refused.json()["trace_id"]
    assert "retry-after" not in first.headers


async def test_of_several_limits_the_tightest_speaks(opened: Opened) -> None:
    limits = [{"limit": 10}, {"limit": 2, "per": 1}]
    replica = await opened(rate_limit_endpoints={"GET /api/chat/search": limits})
    first = await replica.get("/api/chat/search?q=a", user="kim")
    assert first.headers["ratelimit-policy"] == '"GET /api/chat/search";q=10;w=60, "GET /api/chat/search 2";q=2;w=1'
    assert first.headers["ratelimit"].startswith('"GET /api/chat/search 2";r=1;')
    await replica.get("/api/chat/search", user="kim")
    assert (await replica.get("/api/chat/search", user="kim")).status_code == 429
    assert (await replica.get("/api/chat/other", user="kim")).headers["ratelimit-policy"] == '"default";q=600;w=60'


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/metrics", "/docs", "/openapi.json"])
async def test_who_looks_after_the_server_is_not_limited(opened: Opened, path: str) -> None:
    replica = await opened(rate_limit_default={"limit": 1})
    answers = [await replica.get(path) for _ in range(3)]
    assert {one.status_code for one in answers} == {200}
    assert "ratelimit" not in answers[0].headers


async def test_a_page_can_read_a_refusal_and_ask_whether_it_may(opened: Opened) -> None:
    replica = await opened(rate_limit_default={"limit": 1})
    for _ in range(3):
        asked = await replica.send("OPTIONS", "/api/x", origin=ORIGIN, access_control_request_method="GET")
        assert asked.status_code == 200
    answers = [await replica.get("/api/x", user="kim", origin=ORIGIN) for _ in range(2)]
    assert answers[1].status_code == 429
    exposed = answers[1].headers["access-control-expose-headers"]
    assert answers[1].headers["access-control-allow-origin"] == ORIGIN
    assert all(name in exposed for name in (*HEADERS, "Retry-After"))


async def test_callers_are_told_apart_by_user_not_by_address_or_token(opened: Opened) -> None:
    replica = await opened(rate_limit_default={"limit": 1})
    assert (await replica.get("/api/x", user="kim", peer="1.1.1.1")).status_code == 200
    await asyncio.sleep(1.1)  # another second, another token
    assert (await replica.get("/api/x", user="kim", peer="2.2.2.2")).status_code == 429
    assert (await replica.get("/api/x", user="lee", peer="1.1.1.1")).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer x"}, {"x_api_key": "mk_1"}])
async def test_who_is_not_signed_in_is_known_by_the_address(opened: Opened, headers: dict[str, str]) -> None:
    replica = await opened(rate_limit_default={"limit": 2}, trusted_proxies=["10.0.0.0/8"])
    forged = [await replica.get("/api/x", x_forwarded_for=f"1.1.1.{n}", **headers) for n in range(3)]
    assert [one.status_code for one in forged] == [200, 200, 429]
    behind = [
        await replica.get("/api/x", peer="10.0.0.1", x_forwarded_for=f"6.6.6.{n}, 7.7.7.7", **headers) for n in range(3)
    ]
    assert [one.status_code for one in behind] == [200, 200, 429]
    other = await replica.get("/api/x", peer="10.0.0.1", x_forwarded_for="7.7.7.8", **headers)
    assert other.status_code == 200


async def test_a_role_may_do_more(opened: Opened) -> None:
    replica = await opened(rate_limit_default={"limit": 1}, rate_limit_roles={"admin": {"default": {"limit": 3}}})
    assert [(await replica.get("/x", user="kim")).status_code for _ in range(2)] == [200, 429]
    admin = [await replica.get("/x", user="root", role="admin") for _ in range(4)]
    assert [one.status_code for one in admin] == [200, 200, 200, 429]
    assert admin[0].headers["ratelimit-policy"] == '"admin: default";q=3;w=60'


async def test_switched_off_there_are_none() -> None:
    settings = Settings(auth_mode="dev", rate_limit_enabled=False)
    async with AsyncExitStack() as opening:
        assert await open_limits(settings, None, SystemClock(), Metrics("x"), opening) is None


async def test_a_branch_that_says_something_is_a_message(opened: Opened) -> None:
    replica = await opened(rate_limit_messages_per_minute=1)
    doors = [f"/api/chat/sessions/s/{verb}" for verb in ("branch", "regenerate", "messages")]
    assert [(await replica.send("POST", door)).status_code for door in doors] == [200, 429, 429]


def test_no_two_users_are_counted_as_one() -> None:
    names = ("a", "a/b", "b", "b/c", "c", "1:a", "1", "a/1", "/")
    callers = [Caller(UserId(user), TenantId(tenant), frozenset()) for tenant in names for user in names]
    assert len({subject(one) for one in callers}) == len(callers)


class TestFrames:
    async def test_messages_are_counted_together_whatever_the_door(self, opened: Opened) -> None:
        replica = await opened(rate_limit_messages_per_minute=3, dev=True)
        throttle = FrameThrottle(replica.limits, SystemClock())
        found = await caller_of(Identity(TokenVerifier(SecretKey(SECRET), SystemClock()), dev=True))(
            {"type": "http", "method": "GET", "headers": [], "query_string": b""})
        assert not isinstance(found, Exception)
        assert (await replica.send("POST", "/api/chat/sessions/s/messages", user=None)).status_code == 200
        assert (await replica.send("GET", "/agent/chat/stream", user=None)).status_code == 200
        assert await throttle.allow(found, "conn_1", "file") is None
        wait = await throttle.allow(found, "conn_2", "message")
        assert wait is not None
        assert 60 < wait <= 80
        assert (await replica.send("POST", "/api/chat/sessions/s/messages/stream", user=None)).status_code == 429
        assert (await replica.send("GET", "/api/chat/sessions/s/messages", user=None)).status_code == 200
        assert await throttle.allow(found, "conn_2", "ping") is None

    async def test_a_session_made_by_connecting_counts_as_one_made_by_asking(self, opened: Opened) -> None:
        replica = await opened(rate_limit_endpoints={"POST /api/chat/sessions": {"limit": 2}}, dev=True)
        throttle = FrameThrottle(replica.limits, SystemClock())
        found = await caller_of(Identity(TokenVerifier(SecretKey(SECRET), SystemClock()), dev=True))(
            {"type": "http", "method": "GET", "headers": [], "query_string": b""})
        assert not isinstance(found, Exception)
        assert (await replica.send("POST", "/api/chat/sessions", user=None)).status_code == 200
        assert await throttle.allow(found, "one", CREATE) is None
        wait = await throttle.allow(found, "two", CREATE)
        assert wait is not None
        assert wait > 0
        assert (await replica.send("POST", "/api/chat/sessions", user=None)).status_code == 429

    async def test_other_frames_are_counted_by_the_connection(self, opened: Opened) -> None:
        replica = await opened()
        throttle = FrameThrottle(replica.limits, SystemClock())
        found = await caller_of(Identity(TokenVerifier(SecretKey(SECRET), SystemClock()), dev=True))(
            {"type": "http", "method": "GET", "headers": [], "query_string": b""})
        assert not isinstance(found, Exception)
        resumes = [await throttle.allow(found, "conn_1", "resume") for _ in range(31)]
        assert [one is None for one in resumes] == [True] * 30 + [False]
        assert await throttle.allow(found, "conn_2", "resume") is None
        typing = [await throttle.allow(found, "conn_1", "typing") for _ in range(1201)]
        assert typing.count(None) == 1200


async def test_a_frozen_redis_costs_only_a_few_requests_their_time(
    opened: Opened, redis_server: RedisServer, redis: Redis
) -> None:
    replica = await opened(redis)
    assert isinstance(replica.limits.limiter, RedisLimiter)
    assert (await replica.get("/x", user="kim")).status_code == 200
    assert redis_server.ask(b"CLIENT PAUSE 60000") == b"+OK"
    begun = time.monotonic()
    for _ in range(3):
        assert (await replica.get("/x", user="kim")).status_code == 200
    waited = time.monotonic() - begun
    begun = time.monotonic()
    assert (await replica.get("/x", user="kim")).status_code == 200
    assert time.monotonic() - begun < waited
