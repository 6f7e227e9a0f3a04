"""`/health*` and `/metrics`."""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from malgil.app.health_docs import DETAILED, HEALTH, LIVE, METRICS, READY
from malgil.kit import json
from malgil.kit.clock import Clock, rfc3339
from malgil.observe.health import Degraded, HealthChecks
from malgil.observe.metrics import CONTENT_TYPE, Metrics
from malgil.storage.database import Database

_LOW_DISK_BYTES = 500 * 1024 * 1024
_RETRY_SECONDS = "2"


def checks(
    database: Database, data_dir: Path, clock: Clock, ping_redis: Callable[[], Awaitable[None]] | None = None
) -> HealthChecks:
    """What this process needs to answer: the database; and room on the disk, without which it soon will not.

    Redis it can do without: other processes then hear of things a second later.
    """

    async def ask_database() -> str | None:
        async with database.read() as conn:
            await conn.fetchval("SELECT 1")
        return None

    async def ask_disk() -> str | None:
        free = shutil.disk_usage(data_dir).free
        if free < _LOW_DISK_BYTES:
            raise Degraded(f"{free // 2**20} MiB free")
        return f"{free // 2**20} MiB free"

    async def ask_redis() -> str | None:
        if ping_redis is None:
            return "not configured"
        try:
            await ping_redis()
        except Exception as e:
            raise Degraded("no answer: other processes are heard by reconciliation, once a second") from e
        return None

    found = HealthChecks(clock)
    found.add("database", ask_database)
    found.add("disk_space", ask_disk, vital=False)
    found.add("redis", ask_redis, vital=False)
    return found


def build_router(found: HealthChecks, metrics: Metrics, clock: Clock) -> APIRouter:
    """The routes; none of them needs a token."""
    router = APIRouter(tags=["Health"])

    @router.get("/health", summary="The process answers", operation_id="health", responses=HEALTH)
    async def health() -> Response:
        """The same as `/health/live`, in other words."""
        return _json({"status": "healthy"})

    @router.get(
        "/health/live", summary="The process answers (liveness probe)", operation_id="live", responses=LIVE
    )
    async def live() -> Response:
        """200 as long as the process answers at all."""
        return _json({"status": "ok"})

    @router.get(
        "/health/ready", summary="Requests may be sent here (readiness probe)", operation_id="ready",
        responses=READY,
    )
    async def ready() -> Response:
        """503 while something that every request needs is away; `failing` names it."""
        report = await found.run()
        if report.failing:
            body = {"status": "not_ready", "failing": list(report.failing)}
            return _json(body, 503, {"Retry-After": _RETRY_SECONDS})
        return _json({"status": "ready"})

    @router.get("/health/detailed", summary="Every check by name", operation_id="detailed", responses=DETAILED)
    async def detailed() -> Response:
        """200 whatever is found: `unhealthy` when something that every request needs is away, else `degraded`."""
        report = await found.run()
        named = {name: asdict(result) for name, result in report.checks.items()}
        return _json({"status": report.status, "timestamp": rfc3339(clock.now()), "checks": named})

    @router.get(
        "/metrics", summary="Prometheus text format", operation_id="metrics", response_class=Response,
        responses=METRICS,
    )
    async def read_metrics() -> Response:
        """What is counted and measured, by name."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return router


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(value), status, headers, "application/json")
