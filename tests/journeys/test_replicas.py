"""Two replicas on one database and one Redis: whoever is connected to one hears what happens at the other."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from websockets.asyncio.client import connect

from malgil.storage.embedded import EmbeddedPostgres
from malgil.storage.redis import connect as redis
from tests.fixtures.redis import RedisServer
from tests.journeys.node import Node, node
from tests.journeys.talk import hear, hear_all, say, stored, text_of

Pair = tuple[Node, Node]


@pytest.fixture(scope="module")
def database_of_both() -> Iterator[str]:
    with TemporaryDirectory(prefix="malgil-test-", ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(Path(folder) / "data")
        (Path(folder) / "data").mkdir()
        yield postgres.start()
        postgres.stop()


@pytest.fixture
def pair(database_of_both: str, redis_server: RedisServer) -> Iterator[Pair]:
    shared = {"DATABASE_URL": database_of_both, "REDIS_URL": redis_server.url, "AUTH_MODE": "dev"}
    with ExitStack() as stack:
        one, two = (stack.enter_context(node(**shared)) for _ in range(2))
        for each in (one, two):
            each.start()
        for each in (one, two):
            each.ready()
        yield one, two


@pytest.fixture
async def https(pair: Pair) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    one, two = pair
    async with (
        httpx.AsyncClient(base_url=one.url, timeout=20, trust_env=False) as at_one,
        httpx.AsyncClient(base_url=two.url, timeout=20, trust_env=False) as at_two,
    ):
        yield at_one, at_two


async def counted(http: httpx.AsyncClient, metric: str) -> float:
    """The number behind a line of /metrics."""
    found = re.search(rf"^{re.escape(metric)} (\S+)$", (await http.get("/metrics")).text, re.MULTILINE)
    return float(found[1]) if found else 0.0


GAPS = "malgil_gaps_mended_total"
RECEIVED = 'malgil_bus_messages_total{state="received"}'


async def session_without_agent(http: httpx.AsyncClient) -> str:
    answer = await http.post("/api/chat/sessions", json={"agent_id": None})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


async def post(http: httpx.AsyncClient, session_id: str, content: str) -> None:
    answer = await http.post(f"/api/chat/sessions/{session_id}/messages", json={"content": content})
    assert answer.status_code == 201, answer.text


async def test_redis_brings_it_and_without_redis_it_comes_too(
    pair: Pair, https: tuple[httpx.AsyncClient, httpx.AsyncClient], redis_server: RedisServer
) -> None:
    (_, two), (at_one, at_two) = pair, https
    session_id = await session_without_agent(at_one)
    async with connect(f"{two.sockets}/ws/{session_id}") as socket:
        await hear(socket, "presence")
        gaps, received = await counted(at_two, GAPS), await counted(at_two, RECEIVED)
        for i in range(20):
            await post(at_one, session_id, f"안녕 {i}")
            assert (await hear(socket, "message"))["content"] == f"안녕 {i}"
        assert await counted(at_two, RECEIVED) >= received + 20
        assert await counted(at_two, GAPS) == gaps, "the bus brought them, the log was not asked"

        redis_server.kill()
        await post(at_one, session_id, "ohne Redis")
        assert (await hear(socket, "message"))["content"] == "ohne Redis"
        assert await counted(at_two, GAPS) > gaps
        for http in https:
            assert (await http.get("/health/ready")).status_code == 200
            health = (await http.get("/health/detailed")).json()
            assert (health["status"], health["checks"]["redis"]["status"]) == ("degraded", "degraded")

        redis_server.start()
        received = await counted(at_two, RECEIVED)
        async with asyncio.timeout(20):
            while await counted(at_two, RECEIVED) == received:
                await post(at_one, session_id, "again")
                await hear(socket, "message")
        for http in https:
            assert (await http.get("/health/detailed")).json()["checks"]["redis"]["status"] == "healthy"


async def test_an_answer_made_at_one_is_watched_typed_at_and_stopped_at_the_other(
    pair: Pair, https: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    (one, two), (at_one, _) = pair, https
    where = "/ws/two-places"
    async with connect(f"{one.sockets}{where}") as here:
        await hear(here, "presence")
        async with connect(f"{two.sockets}{where}?after=start") as there:
            await hear(there, "live")
            await say(there, type="typing", is_typing=True)
            assert (await hear(here, "typing"))["is_typing"] is True
            await say(here, type="message", content="주문 상태 확인")
            first, second = await asyncio.gather(hear_all(here, "stream_end"), hear_all(there, "stream_end"))
            assert text_of(first) == text_of(second) == (await stored(at_one, "two-places"))[-1]["content"]
            await say(here, type="message", content="환불 규정을 알려 주세요")
            await hear(there, "stream_chunk")
            await say(there, type="stop")
            ended = await hear(here, "stream_end")
            assert ended["finish_reason"] in ("stopped", "stop")
        assert (await hear(here, "typing"))["is_typing"] is False


async def test_presence_knows_of_both_and_forgets_who_stopped(
    pair: Pair, https: tuple[httpx.AsyncClient, httpx.AsyncClient], redis_server: RedisServer
) -> None:
    (one, two), (at_one, _) = pair, https
    session_id = await session_without_agent(at_one)

    async def processes(count: int) -> None:
        async with redis(redis_server.url) as client:
            for _ in range(500):
                if await client.zcard(f"ws:sessions:{session_id}") == count:
                    return
                await asyncio.sleep(0.02)
        raise AssertionError(f"there were never {count} processes in the session")

    async with connect(f"{one.sockets}/ws/{session_id}") as here, connect(f"{two.sockets}/ws/{session_id}") as there:
        for socket in (here, there):
            assert await hear(socket, "presence") == {"type": "presence", "users": ["guest"]}
        await processes(2)
        assert two.end(signal.SIGTERM) == 0
        await processes(1)
