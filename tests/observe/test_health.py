"""Health: every check answers in time, and what it says is no secret."""

import asyncio

import pytest

from malgil.kit.errors import Unavailable
from malgil.observe.health import Degraded, HealthChecks
from tests.fixtures.time import FakeClock


@pytest.fixture
def health(clock: FakeClock) -> HealthChecks:
    return HealthChecks(clock)


async def well() -> str:
    return "12 ms"


async def down() -> None:
    raise Unavailable("The database cannot be reached.")


async def poor() -> None:
    raise Degraded("210 MiB free")


async def broken() -> None:
    raise RuntimeError("password=hunter2 at /home/x")


async def stuck() -> None:
    await asyncio.Event().wait()


async def test_without_checks_all_is_well(health: HealthChecks) -> None:
    report = await health.run()
    assert (report.status, report.checks, report.failing) == ("healthy", {}, ())


async def test_all_well(health: HealthChecks) -> None:
    health.add("database", well)
    report = await health.run()
    assert report.status == "healthy"
    assert report.checks["database"].detail == "12 ms"


async def test_a_vital_part_that_is_down_keeps_the_server_from_being_ready(health: HealthChecks) -> None:
    health.add("disk_space", well)
    health.add("database", down)
    report = await health.run()
    assert (report.status, report.failing) == ("unhealthy", ("database",))
    assert report.checks["database"].detail == "The database cannot be reached."
    assert report.checks["disk_space"].status == "healthy"


async def test_a_part_that_is_not_vital_only_degrades(health: HealthChecks) -> None:
    health.add("queue", down, vital=False)
    health.add("disk_space", poor)
    report = await health.run()
    assert (report.status, report.failing) == ("degraded", ())
    assert report.checks["queue"].status == "unhealthy"
    assert (report.checks["disk_space"].status, report.checks["disk_space"].detail) == ("degraded", "210 MiB free")


async def test_a_check_that_hangs_is_ended(health: HealthChecks) -> None:
    health.add("llm", stuck, timeout=0.01)
    report = await asyncio.wait_for(health.run(), 5)
    assert (report.checks["llm"].status, report.checks["llm"].detail) == ("unhealthy", "no answer within 0.01 s")


async def test_an_unforeseen_error_shows_its_kind_only(health: HealthChecks) -> None:
    health.add("database", broken)
    assert (await health.run()).checks["database"].detail == "RuntimeError"


async def test_latency_is_in_milliseconds(health: HealthChecks, clock: FakeClock) -> None:
    async def slow() -> None:
        clock.advance(0.25)

    health.add("database", slow)
    assert (await health.run()).checks["database"].latency_ms == 250


async def test_a_name_is_taken_once(health: HealthChecks) -> None:
    health.add("database", well)
    with pytest.raises(ValueError, match="database"):
        health.add("database", down)
