"""The limiter: never more at once than agreed, and honest figures."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malgil.resilience.limiter import ConcurrencyLimiter


async def test_never_more_at_once_than_agreed() -> None:
    limiter = ConcurrencyLimiter(max_concurrent=3)
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with limiter.acquire():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 3
    assert limiter.get_stats() == {
        "active_count": 0, "waiting_count": 0, "total_count": 20, "success_count": 20, "failure_count": 0,
        "success_rate": 100.0,
    }


async def test_who_is_inside_and_who_waits() -> None:
    limiter = ConcurrencyLimiter(1)
    leave = asyncio.Event()

    async def work() -> None:
        async with limiter.acquire():
            await leave.wait()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0)
    stats = limiter.get_stats()
    assert (stats["active_count"], stats["waiting_count"], stats["total_count"]) == (1, 2, 0)
    tasks[1].cancel()
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    stats = limiter.get_stats()
    assert (stats["active_count"], stats["waiting_count"], stats["total_count"]) == (0, 0, 2)


async def test_failures_and_cancellations_give_their_slot_back() -> None:
    limiter = ConcurrencyLimiter(1)
    with pytest.raises(ZeroDivisionError):
        async with limiter.acquire():
            _ = 1 / 0
    with pytest.raises(asyncio.CancelledError):
        async with limiter.acquire():
            raise asyncio.CancelledError
    async with limiter.acquire():
        pass
    stats = limiter.get_stats()
    assert (stats["success_count"], stats["failure_count"]) == (1, 2)
    assert stats["success_rate"] == pytest.approx(100 / 3)


def test_before_the_first_the_rate_is_zero() -> None:
    assert ConcurrencyLimiter().get_stats()["success_rate"] == 0.0


@given(number=st.integers(max_value=0))
def test_a_limit_below_one_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="max_concurrent"):
        ConcurrencyLimiter(number)
