"""Health and metrics over HTTP, with the database there and gone."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from malgil.app import health
from malgil.kit.clock import SystemClock
from malgil.observe.metrics import Metrics
from malgil.storage.database import Database
from malgil.storage.redis import connect, ping
from tests.fixtures.redis import RedisServer


@pytest.fixture
async def http(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    clock = SystemClock()
    app = FastAPI()
    app.include_router(health.build_router(health.checks(database, tmp_path, clock), Metrics("1.2.3"), clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_all_well(http: httpx.AsyncClient) -> None:
    assert (await http.get("/health")).json() == {"status": "healthy"}
    assert (await http.get("/health/live")).json() == {"status": "ok"}
    assert (await http.get("/health/ready")).json() == {"status": "ready"}
    detailed = (await http.get("/health/detailed")).json()
    assert detailed["status"] == "healthy"
    assert detailed["timestamp"].endswith("Z")
    assert set(detailed["checks"]) == {"database", "disk_space", "redis"}
    assert detailed["checks"]["redis"]["detail"] == "not configured"
    assert set(detailed["checks"]["database"]) == {"status", "latency_ms", "detail"}


async def test_without_the_database_it_lives_and_is_not_ready(http: httpx.AsyncClient, database: Database) -> None:
    await database.close()
    ready = await http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "not_ready", "failing": ["database"]})
    assert ready.headers["retry-after"] == "2"
    assert (await http.get("/health/live")).status_code == 200
    detailed = (await http.get("/health/detailed")).json()
    assert detailed["status"] == "unhealthy"
    assert detailed["checks"]["database"]["status"] == "unhealthy"


async def test_without_its_redis_it_is_degraded_and_ready(
    database: Database, tmp_path: Path, redis_server: RedisServer
) -> None:
    clock = SystemClock()
    async with connect(redis_server.url) as client:
        found = health.checks(database, tmp_path, clock, partial(ping, client))
        report = await found.run()
        assert (report.status, report.checks["redis"].status) == ("healthy", "healthy")
        redis_server.kill()
        report = await found.run()
        assert (report.status, report.checks["redis"].status, report.failing) == ("degraded", "degraded", ())
        assert str(redis_server.port) not in str(report), "where it stands is nobody's business"
        redis_server.start()
        assert (await found.run()).status == "healthy"


async def test_a_disk_that_fills_degrades(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda path: SimpleNamespace(free=10 * 2**20))
    assert (await http.get("/health/ready")).status_code == 200
    detailed = (await http.get("/health/detailed")).json()
    assert (detailed["status"], detailed["checks"]["disk_space"]["detail"]) == ("degraded", "10 MiB free")


async def test_metrics_in_prometheus_text(http: httpx.AsyncClient) -> None:
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'malgil_build_info{version="1.2.3"} 1.0' in answer.text
