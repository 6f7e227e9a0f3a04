"""Three replicas behind a real nginx that deals requests out in turn, on one PostgreSQL and a real Redis."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.crash.checker import check
from tests.crash.plan import draw_ask
from tests.crash.play import Play
from tests.system.behind import Behind, behind_nginx

LOAD = 60
"""Questions that are asked while the replicas are restarted one after the other."""


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    async with behind_nginx(tmp_path) as made:
        yield made


@pytest.fixture
async def api(behind: Behind) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=behind.url, timeout=20, trust_env=False) as client:
        yield client


async def test_a_session_is_the_same_on_every_replica(behind: Behind, api: httpx.AsyncClient) -> None:
    """Sockets on each replica hear what is posted through any, once and in order."""
    session_id = (await api.post("/api/chat/sessions", json={"agent_id": None})).json()["session_id"]
    heard: list[list[str]] = [[] for _ in behind.cluster.gateways]

    async def listen(place: int, url: str) -> None:
        async with connect(f"{url.replace('http', 'ws', 1)}/ws/{session_id}?after=start") as socket:
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "message":
                    heard[place].append(frame["content"])
                    if len(heard[place]) == 30:
                        return

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for place, server in enumerate(behind.cluster.gateways):
            group.create_task(listen(place, server.url))
        for number in range(30):
            posted = await api.post(f"/api/chat/sessions/{session_id}/messages", json={"content": str(number)})
            assert posted.status_code == 201, posted.text
    assert heard == [[str(number) for number in range(30)]] * 3


async def test_an_answer_streams_through_the_proxy_piece_by_piece(api: httpx.AsyncClient) -> None:
    chunks = 0
    async with api.stream("GET", "/agent/chat/stream", params={"task": "환불 규정 알려 주세요"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no", "the next proxy must hear of it too"
        async for raw in response.aiter_raw():
            chunks += bool(raw)
    assert chunks > 5, "the proxy gathers what should go out at once"


async def test_a_rolling_restart_under_load_loses_nothing(behind: Behind) -> None:
    """Every replica is drained and started again, one after the other, while people talk through the proxy."""
    chance = random.Random(7)
    async with Play(behind, chance) as play:
        for _ in range(6):
            session_id = await play.session()
            play.listen(session_id, "socket")
            play.listen(session_id, "events")
            for _ in range(LOAD // 6):
                play.ask(session_id, draw_ask(chance, later=12.0))
        crowd = [asyncio.create_task(_keep_asking(behind.url)) for _ in range(4)]
        for server in behind.cluster.servers:
            await asyncio.sleep(1.0)
            await server.drain()
            server.start()
            await server.ready()
        for one in crowd:
            one.cancel()
        history = await play.finish(60.0)
    violations = check(history)
    assert not violations, "\n".join(map(str, violations))
    failed = [fault for one in crowd for fault in one.result()]
    assert not failed, f"requests failed: {failed}"


async def _keep_asking(url: str) -> list[str]:
    """Post and read without a pause until cancelled; everything that was not answered as it should be."""
    faults: list[str] = []
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as http:
        made = await http.post("/api/chat/sessions", json={"agent_id": None})
        messages = f"/api/chat/sessions/{made.json()['session_id']}/messages"
        sent = 0
        try:
            while True:
                for request in (("POST", {"json": {"content": str(sent)}}), ("GET", {"params": {"limit": 1}})):
                    verb, more = request
                    try:
                        answer = await http.request(verb, messages, **more)
                    except httpx.TransportError as error:
                        faults.append(f"{verb}: {error!r}")
                        continue
                    if answer.status_code not in (200, 201):
                        faults.append(f"{verb}: {answer.status_code} {answer.text[:200]}")
                sent += 1
        except asyncio.CancelledError:
            return faults
