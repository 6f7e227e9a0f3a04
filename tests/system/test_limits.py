"""Limits are exact on real servers, on one and on three, however busy the machine is."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from malgil.access.mint import mint
from tests.crash.harness import Server
from tests.system.behind import REPLICAS, behind_nginx

SECRET = "a secret of more than thirty-two bytes"
LIMITED = {"RATE_LIMIT_ENABLED": "true", "JWT_SECRET_KEY": SECRET}
RULES = "endpoints:\n  POST /agent/chat: {limit: 100}\n"
CALLS = 150


def limit(folder: Path) -> None:
    """Give the server of this folder its limits, as an operator does."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "rate_limit.yaml").write_text(RULES)


@pytest.fixture(params=["one", "three"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """One process without a Redis, or three with one behind nginx."""
    if request.param == "one":
        limit(tmp_path / "node")
        async with Server(tmp_path / "node", **LIMITED) as server:
            server.start()
            assert await server.ready()
            yield server.url
        return
    for number in range(REPLICAS):
        limit(tmp_path / "cluster" / f"all-{number}")
    async with behind_nginx(tmp_path, **LIMITED) as behind:
        yield behind.url


@pytest.fixture
def busy() -> Iterator[None]:
    """Other work, enough for two cores."""
    with ExitStack() as stack:
        for _ in range(2):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


@pytest.mark.usefixtures("busy")
async def test_of_a_hundred_and_fifty_at_once_a_hundred_are_answered(url: str) -> None:
    most = httpx.Limits(max_connections=CALLS)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=most, trust_env=False) as api:
        for user in ("kim", "lee", "mina"):
            token = mint(
                SECRET, user=user, tenant="t", roles=["user"], now=datetime.now(UTC), lifetime=timedelta(hours=1)
            )
            asked = {"headers": {"Authorization": f"Bearer {token}"}, "json": {"task": "환불 규정 알려 주세요"}}
            answers = await asyncio.gather(*(api.post("/agent/chat", **asked) for _ in range(CALLS)))
            assert Counter(one.status_code for one in answers) == {200: 100, 429: 50}
