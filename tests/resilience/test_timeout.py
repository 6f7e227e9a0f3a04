"""run_with_timeout: a result in time or the default, and errors told apart."""

import asyncio

import pytest

from malgil.resilience.timeout import run_with_timeout


async def test_in_time_the_result() -> None:
    async def work() -> int:
        return 7

    assert await run_with_timeout(work(), timeout=5.0, default=0) == 7


async def test_too_late_the_default_and_the_work_is_cancelled() -> None:
    ended = asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 7

    assert await run_with_timeout(work(), timeout=0.01, default="nothing") == "nothing"
    assert ended.is_set()
    assert await run_with_timeout(work(), timeout=0.01) is None


@pytest.mark.parametrize("seconds", [0, -1])
async def test_no_time_at_all_is_too_late(seconds: float) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.Event().wait()

    assert await run_with_timeout(work(), timeout=seconds, default="late") == "late"


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
async def test_errors_of_the_work_are_raised_not_hidden(error: type[Exception]) -> None:
    async def work() -> None:
        raise error("its own")

    with pytest.raises(error, match="its own"):
        await run_with_timeout(work(), timeout=5.0, default="late")


async def test_cancelled_from_outside_it_is_cancelled() -> None:
    task = asyncio.create_task(run_with_timeout(asyncio.Event().wait(), timeout=5.0, default=False))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
